// Package dev runs everything of Guichet on one machine, in one process and a PostgreSQL beside it.
package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/admin"
	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg"
	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/worker"
)

// readyTimeout bounds how long the services may take to become ready.
const readyTimeout = time.Minute

// Options says where and how the stack runs.
type Options struct {
	Dir    string // holds all state
	Listen string // of the webhooks; empty takes 127.0.0.1:8080, or a free port where that is taken
	Source settings.Source
	// Progress gets a line a step, for people; Logs gets the services' logs.
	Progress, Logs io.Writer
}

// Address is how the running stack is reached; it is what dev.env says.
type Address struct {
	URL, AdminURL, NATSURL, DatabaseURL, WebhookSecret string
	Mailbox                                            string // empty where SMTP_URL was given
	EnvFile                                            string
}

// Run starts everything, calls ready with where it is, and keeps it running until ctx ends or a part fails;
// then it stops all: intake first, then work, then what they need.
func Run(ctx context.Context, o Options, ready func(context.Context, Address) error) (err error) {
	s := &stack{Options: o, env: map[string]string{}}
	for name, value := range o.Source.Env {
		s.env[name] = value
	}
	defer func() {
		for i := len(s.stops) - 1; i >= 0; i-- {
			err = errors.Join(err, s.stops[i]())
		}
	}()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	return s.serve(ctx, ready)
}

// stack is what is running; stops are run in reverse.
type stack struct {
	Options
	env   map[string]string // of the services
	at    Address
	stops []func() error
}

func (s *stack) say(format string, args ...any) { _, _ = fmt.Fprintf(s.Progress, format+"\n", args...) }

// prepare starts what the services need, or takes what the environment names.
func (s *stack) prepare(ctx context.Context) error {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return err
	}
	s.Dir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil { // #nosec G301 -- PostgreSQL's user must reach its folder below
		return fmt.Errorf("data folder: %w", err)
	}
	s.say("Guichet keeps everything in %s", dir)
	for _, step := range []func(context.Context) error{s.nats, s.postgres, s.secret, s.mails, s.setup} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) nats(context.Context) error {
	if s.at.NATSURL = s.env["NATS_URL"]; s.at.NATSURL != "" {
		s.say("  NATS         yours, of NATS_URL")
		return nil
	}
	server, err := localnats.Start(localnats.Options{Dir: filepath.Join(s.Dir, "nats")})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, func() error { server.Stop(); return nil })
	s.at.NATSURL = server.URL()
	s.say("  NATS         embedded, every write synced, at %s", s.at.NATSURL)
	return nil
}

func (s *stack) postgres(ctx context.Context) error {
	if s.at.DatabaseURL = s.env["DATABASE_URL"]; s.at.DatabaseURL != "" {
		s.say("  PostgreSQL   yours, of DATABASE_URL")
		return nil
	}
	server, err := localpg.Start(ctx, localpg.Options{Dir: filepath.Join(s.Dir, "postgres")})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, server.Stop)
	if err := server.CreateDatabase(ctx, "guichet"); err != nil {
		return err
	}
	s.at.DatabaseURL = server.URL("guichet")
	s.say("  PostgreSQL   private, data in %s", server.DataDir())
	return nil
}

// secret keeps one webhook secret for the folder, so that what was signed for one run fits the next.
func (s *stack) secret(context.Context) error {
	if s.at.WebhookSecret = s.env["STRIPE_WEBHOOK_SECRET"]; s.at.WebhookSecret != "" {
		return nil
	}
	path := filepath.Join(s.Dir, "webhook_secret")
	content, err := os.ReadFile(path) // #nosec G304 -- our own folder
	if errors.Is(err, os.ErrNotExist) {
		content = []byte("whsec_" + rand.Text() + "\n")
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		return fmt.Errorf("webhook secret: %w", err)
	}
	s.at.WebhookSecret = strings.TrimSpace(string(content))
	return nil
}

func (s *stack) mails(context.Context) error {
	if s.env["SMTP_URL"] != "" || s.env["SMTP_URL_FILE"] != "" {
		s.say("  Mails        by SMTP_URL")
		return nil
	}
	s.at.Mailbox = filepath.Join(s.Dir, "mailbox")
	s.env["MAILBOX_DIR"] = s.at.Mailbox
	s.say("  Mails        as files in %s", s.at.Mailbox)
	return nil
}

func (s *stack) setup(ctx context.Context) error {
	var config stream.Config
	if err := settings.Load(&config, settings.Source{Env: s.env}); err != nil {
		return err
	}
	log, err := logging.New(s.Logs, "warn", "console")
	if err != nil {
		return err
	}
	changes, err := Setup(ctx, s.at.NATSURL, s.at.DatabaseURL, config, log)
	for _, c := range changes {
		if c.What != "found" {
			s.say("  %-12s %s %s", c.What, c.Name, c.Detail)
		}
	}
	return err
}

// serve runs the services in this process and waits.
func (s *stack) serve(ctx context.Context, ready func(context.Context, Address) error) error {
	ingesterOptions, workerOptions, err := s.options()
	if err != nil {
		return err
	}
	// The ingester stops before the worker, which may still settle what came last.
	workerContext, stopWorker := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorker()
	group, running := errgroup.WithContext(ctx)
	listening := make(chan ingest.Addresses, 1)
	working := make(chan string, 1)
	ingesterOptions.Started = func(a ingest.Addresses) { listening <- a }
	workerOptions.Ready = func(addr string) { working <- addr }
	group.Go(func() error {
		defer stopWorker()
		return ingest.Run(running, ingesterOptions)
	})
	group.Go(func() error { return worker.Run(workerContext, workerOptions) })
	group.Go(func() error {
		var public, ingesterAdmin, workerAdmin string
		for range 2 {
			select {
			case a := <-listening:
				public, ingesterAdmin = a.Public, a.Admin
			case workerAdmin = <-working:
			case <-running.Done():
				return nil
			}
		}
		return s.announce(running, public, ingesterOptions.Registry, ready, ingesterAdmin, workerAdmin)
	})
	return group.Wait()
}

// announce serves the one admin port of the stack, waits until all is ready, and writes dev.env.
func (s *stack) announce(ctx context.Context, public string, metrics prometheus.Gatherer,
	ready func(context.Context, Address) error, admins ...string,
) error {
	var checks []admin.Check
	for i, name := range []string{"ingester", "worker"} {
		checks = append(checks, admin.Check{Name: name, Run: probe("http://" + admins[i] + "/readyz")})
	}
	probes, err := admin.Listen(listenAdmin(s.env["ADMIN_ADDR"]), metrics, checks...)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(probes.Serve)
	group.Go(func() error {
		defer func() { _ = probes.Close() }()
		if err := await(ctx, checks); err != nil {
			return err
		}
		s.at.URL = "http://" + public
		s.at.AdminURL = "http://" + probes.Addr()
		if err := s.writeEnv(); err != nil {
			return err
		}
		if err := ready(ctx, s.at); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	return group.Wait()
}

func listenAdmin(address string) string {
	if address == "" {
		return "127.0.0.1:0"
	}
	return address
}

// probe asks a service's own readiness.
func probe(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		reason, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		if answer.StatusCode != http.StatusOK {
			return errors.New(strings.TrimSpace(string(reason)))
		}
		return nil
	}
}

// await returns once all checks pass.
func await(ctx context.Context, checks []admin.Check) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var problems []error
		for _, c := range checks {
			if err := c.Run(ctx); err != nil {
				problems = append(problems, fmt.Errorf("%s is not ready: %w", c.Name, err))
			}
		}
		if len(problems) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(problems...)
		case <-tick.C:
		}
	}
}

// options are those of the two services: the environment's, on the stack's own addresses.
func (s *stack) options() (ingest.Options, worker.Options, error) {
	listen, err := s.listen()
	if err != nil {
		return ingest.Options{}, worker.Options{}, err
	}
	for name, value := range map[string]string{
		"LISTEN_ADDR": listen, "NATS_URL": s.at.NATSURL, "DATABASE_URL": s.at.DatabaseURL, "STRIPE_WEBHOOK_SECRET": s.at.WebhookSecret,
	} {
		s.env[name] = value
		delete(s.env, name+"_FILE")
	}
	for name, value := range map[string]string{
		"LOG_FORMAT": "console", "ACTION_REQUIRED_DELAY": "0s", "ADMIN_EMAIL": "admin@example.com",
	} {
		if s.env[name] == "" {
			s.env[name] = value
		}
	}
	var in ingest.Settings
	var wk worker.Settings
	source := settings.Source{Env: s.env, SecretsDir: s.Source.SecretsDir}
	if err := errors.Join(settings.Load(&in, source), settings.Load(&wk, source)); err != nil {
		return ingest.Options{}, worker.Options{}, fmt.Errorf("settings: %w", err)
	}
	in.AdminAddr, wk.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	log, err := logging.New(s.Logs, in.Logging.Level, in.Logging.Format)
	if err != nil {
		return ingest.Options{}, worker.Options{}, err
	}
	registry := prometheus.NewRegistry()
	return ingest.Options{Settings: in, Log: log.Named("ingester"), Registry: registry},
		worker.Options{Settings: wk, Log: log.Named("worker"), Metrics: registry}, nil
}

// listen chooses the webhooks' address.
func (s *stack) listen() (string, error) {
	if s.Listen != "" {
		return s.Listen, nil
	}
	const usual = "127.0.0.1:8080"
	taken, err := net.Listen("tcp", usual)
	if err != nil {
		s.say("  Webhooks     port 8080 is taken, another one is used")
		return "127.0.0.1:0", nil
	}
	return usual, taken.Close()
}
