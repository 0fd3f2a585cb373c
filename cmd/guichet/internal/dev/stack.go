// Package dev runs everything of Guichet on one machine, in one process and a PostgreSQL beside it.
package dev

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg"
	"github.com/educareschool/guichet/pkg/logging"
)

// Options says where and how the stack runs.
type Options struct {
	Dir    string // holds all state; absolute
	Listen string // of the webhooks; empty takes LISTEN_ADDR, else 127.0.0.1:8080, or a free port where that is taken
	Settings
	// Progress gets a line a step, for people, and the services' logs.
	Progress io.Writer
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
	s := &stack{Options: o}
	if s.log, err = logging.New(o.Progress, o.Worker.Logging.Level, o.Worker.Logging.Format); err != nil {
		return err
	}
	s.log = s.log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		if o.brief {
			core = brief{core}
		}
		return withoutIdleCleanups(core)
	}))
	defer func() {
		for i := len(s.stops) - 1; i >= 0; i-- {
			err = errors.Join(err, s.stops[i]())
		}
	}()
	if err := s.prepare(ctx); err != nil {
		if ctx.Err() != nil { // it was interrupted
			return nil
		}
		return err
	}
	return s.serve(ctx, ready)
}

// stack is what is running; stops are run in reverse.
type stack struct {
	Options
	at       Address
	log      *zap.Logger
	stops    []func() error
	database *localpg.Server // nil where DATABASE_URL was given
}

func (s *stack) say(format string, args ...any) { _, _ = fmt.Fprintf(s.Progress, format+"\n", args...) }

// prepare starts what the services need, or takes what the environment names.
func (s *stack) prepare(ctx context.Context) error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil { // #nosec G301 -- PostgreSQL's user must reach its folder below
		return fmt.Errorf("data folder: %w", err)
	}
	s.say("Guichet keeps everything in %s", s.Dir)
	for _, step := range []func(context.Context) error{s.nats, s.postgres, s.secret, s.mails, s.setup, s.listen} {
		err := step(ctx)
		if errors.Is(err, localnats.ErrInUse) || errors.Is(err, localpg.ErrInUse) {
			return fmt.Errorf("guichet dev runs already on %s: stop that one, or give another folder with --data", s.Dir)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) nats(context.Context) error {
	if s.at.NATSURL = s.given.NATS; s.at.NATSURL != "" {
		s.say("  NATS         yours, of NATS_URL")
		return nil
	}
	server, err := localnats.Start(localnats.Options{Dir: filepath.Join(s.Dir, "nats")})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, func() error { server.Stop(); return nil })
	s.at.NATSURL = server.URL()
	s.Ingester.NATS.URL, s.Worker.NATS.URL = s.at.NATSURL, s.at.NATSURL
	s.say("  NATS         embedded, every write synced, at %s", s.at.NATSURL)
	return nil
}

func (s *stack) postgres(ctx context.Context) (err error) {
	if s.at.DatabaseURL = s.given.Database; s.at.DatabaseURL != "" {
		s.say("  PostgreSQL   yours, of DATABASE_URL")
		return nil
	}
	if s.database, err = localpg.Start(ctx, localpg.Options{Dir: filepath.Join(s.Dir, "postgres")}); err != nil {
		return err
	}
	s.stops = append(s.stops, s.database.Stop)
	if err := s.database.CreateDatabase(ctx, "guichet"); err != nil {
		return err
	}
	s.at.DatabaseURL = s.database.URL("guichet")
	s.Worker.Database.URL = s.at.DatabaseURL
	s.say("  PostgreSQL   private, data in %s", s.database.DataDir())
	return nil
}

// secret keeps one webhook secret for the folder, so that what was signed for one run fits the next.
func (s *stack) secret(context.Context) error {
	if s.at.WebhookSecret = FirstSecret(s.given.Secret); s.at.WebhookSecret != "" {
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
	if s.at.WebhookSecret = strings.TrimSpace(string(content)); s.at.WebhookSecret == "" {
		return fmt.Errorf("webhook secret: %s is empty: delete it, and a new one is made", path)
	}
	s.Ingester.WebhookSecret = s.at.WebhookSecret
	return nil
}

func (s *stack) mails(context.Context) error {
	if s.at.Mailbox = s.Worker.Mail.Mailbox; s.at.Mailbox == "" {
		s.say("  Mails        by SMTP_URL")
		return nil
	}
	s.say("  Mails        as files in %s", s.at.Mailbox)
	return nil
}

func (s *stack) setup(ctx context.Context) error {
	changes, err := Setup(ctx, s.at.NATSURL, s.at.DatabaseURL, s.Stream, s.log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)))
	for _, c := range changes {
		if c.What != "found" {
			s.say("  %-12s %s", c.What, strings.TrimSpace(c.Name+"  "+c.Detail))
		}
	}
	return err
}

// listen chooses the webhooks' address.
func (s *stack) listen(context.Context) error {
	if s.Ingester.ListenAddr = cmp.Or(s.Listen, s.given.Listen); s.Ingester.ListenAddr != "" {
		return nil
	}
	s.Ingester.ListenAddr = "127.0.0.1:8080"
	taken, err := net.Listen("tcp", s.Ingester.ListenAddr)
	if err != nil {
		s.say("  Webhooks     port 8080 is taken, another one is used")
		s.Ingester.ListenAddr = "127.0.0.1:0"
		return nil //nolint:nilerr // a port that is taken is what this looks for
	}
	return taken.Close()
}
