package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/admin"
	"github.com/educareschool/guichet/pkg/processmetrics"
	"github.com/educareschool/guichet/worker"
)

// readyTimeout bounds how long the services may take to become ready.
const readyTimeout = time.Minute

// serve runs the services in this process and waits.
func (s *stack) serve(ctx context.Context, ready func(context.Context, Address) error) error {
	// The ingester stops before the worker, which may still settle what came last.
	workerContext, stopWorker := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorker()
	group, running := errgroup.WithContext(ctx)
	registry := processmetrics.NewRegistry()
	listening := make(chan ingest.Addresses, 1)
	working := make(chan string, 1)
	s.Ingester.AdminAddr, s.Worker.AdminAddr = "127.0.0.1:0", "127.0.0.1:0" // behind the stack's own
	group.Go(func() error {
		defer stopWorker()
		return ingest.Run(running, ingest.Options{
			Settings: s.Ingester, Log: s.log.Named("ingester"), Registry: registry,
			Started: func(a ingest.Addresses) { listening <- a },
		})
	})
	group.Go(func() error {
		return worker.Run(workerContext, worker.Options{
			Settings: s.Worker, Log: s.log.Named("worker"), Metrics: registry,
			Ready: func(address string) { working <- address },
		})
	})
	if s.database != nil {
		group.Go(func() error {
			select {
			case <-s.database.Done():
				return fmt.Errorf("PostgreSQL ended by itself; %s says why", s.database.LogPath())
			case <-running.Done():
				return nil
			}
		})
	}
	group.Go(func() error {
		var at ingest.Addresses
		var workerAdmin string
		for range 2 {
			select {
			case at = <-listening:
			case workerAdmin = <-working:
			case <-running.Done():
				return nil
			}
		}
		s.at.URL = "http://" + reachable(at.Public)
		return s.announce(running, registry, ready, probe("ingester", at.Admin), probe("worker", workerAdmin))
	})
	return group.Wait()
}

// announce serves the one admin port of the stack, waits until all is ready, and writes dev.env.
func (s *stack) announce(ctx context.Context, metrics prometheus.Gatherer, ready func(context.Context, Address) error, checks ...admin.Check) error {
	probes, err := admin.Listen(cmp.Or(s.given.Admin, "127.0.0.1:0"), metrics, checks...)
	if err != nil {
		return err
	}
	s.at.AdminURL = "http://" + reachable(probes.Addr())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(probes.Serve)
	group.Go(func() error {
		defer func() { _ = probes.Close() }()
		err := await(ctx, checks)
		if err == nil {
			err = s.writeEnv()
		}
		if err == nil {
			err = ready(ctx, s.at)
		}
		if ctx.Err() != nil { // it was interrupted, or another part has failed
			return nil
		}
		if err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	return group.Wait()
}

// reachable is an address that a client on this machine can use, also of one that stands for all of them.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return address
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// probe asks a service's own readiness.
func probe(name, address string) admin.Check {
	return admin.Check{Name: name, Run: func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
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
	}}
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
