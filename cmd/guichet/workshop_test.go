package main

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stream/streamtest"
	"github.com/educareschool/guichet/pkg/stripeevent"
	"github.com/educareschool/guichet/pkg/waittest"
	"github.com/educareschool/guichet/worker"
)

// workshop is a NATS server and a database that are set up, in which a test runs commands and a worker.
type workshop struct {
	t      *testing.T
	env    map[string]string
	js     jetstream.JetStream
	db     *sqlx.DB
	stripe *simulate.Stripe
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	return workshopOn(t, setupEnv(t))
}

// workshopOn is a workshop on servers that a test has started.
func workshopOn(t *testing.T, env map[string]string) *workshop {
	t.Helper()
	w := &workshop{t: t, env: env, stripe: simulate.New(rand.New(rand.NewPCG(1, 2)), time.Now)}
	if got := guichet(t, w.env, "setup"); got.code != service.ExitOK {
		t.Fatalf("%+v", got)
	}
	w.db = database(t, w.env)
	conn, err := nats.Connect(w.env["NATS_URL"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if w.js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	w.exec(`INSERT INTO events (id, title, capacity) VALUES ('e', 'Concert', 100)`)
	return w
}

// guichet runs a command.
func (w *workshop) guichet(args ...string) result {
	w.t.Helper()
	return guichet(w.t, w.env, args...)
}

func (w *workshop) exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

func (w *workshop) register(ids ...string) {
	w.t.Helper()
	for _, id := range ids {
		w.exec(`INSERT INTO registrations (id, event_id, email, name) VALUES ($1, 'e', $1 || '@example.org', 'Ada Lovelace')`, id)
	}
}

// publish stores events as the ingester does.
func (w *workshop) publish(events ...simulate.Event) {
	w.t.Helper()
	for _, e := range events {
		w.store(e.Body)
	}
}

// counted waits until the backlog is known to hold what was published.
func (w *workshop) counted() {
	w.t.Helper()
	w.eventually("the server has counted what it stored", func() error { return streamtest.Counted(w.t.Context(), w.js) })
}

func (w *workshop) store(body []byte) {
	w.t.Helper()
	envelope, err := stripeevent.ReadEnvelope(body)
	if err != nil {
		w.t.Fatal(err)
	}
	event := stream.Event{Envelope: envelope, Body: body, ReceivedAt: time.Now().UTC().Format(stream.TimeFormat), Traceparent: stream.NewTracer().Traceparent("")}
	if _, err := stream.Store(w.t.Context(), w.js, event.Message()); err != nil {
		w.t.Fatal(err)
	}
}

// work runs a worker until the test ends or what it returns is called.
func (w *workshop) work(more ...string) (stop func()) {
	w.t.Helper()
	env := maps.Clone(w.env)
	for name, value := range map[string]string{
		"ADMIN_ADDR": "127.0.0.1:0", "SWEEP_INTERVAL": "50ms", "CLEANUP_INTERVAL": "100ms", "ACTION_REQUIRED_DELAY": "0s",
		"MAILBOX_DIR": filepath.Join(w.t.TempDir(), "mailbox"), "ADMIN_EMAIL": "admin@example.org",
	} {
		env[name] = value
	}
	for i := 0; i+1 < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	var set worker.Settings
	if err := settings.Load(&set, settings.Source{Env: env}); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx, worker.Options{Settings: set, Log: zap.NewNop()}) }()
	stopped := false
	stop = func() {
		if cancel(); !stopped {
			stopped = true
			if err := <-ended; err != nil {
				w.t.Errorf("the worker ended with %v", err)
			}
		}
	}
	w.t.Cleanup(stop)
	return stop
}

// workshopPatience bounds how long a condition may take on a busy machine.
const workshopPatience = 20 * time.Second

func (w *workshop) eventually(what string, condition func() error) {
	w.t.Helper()
	waittest.Until(w.t, workshopPatience, what, condition)
}

// is waits until a query gives a text.
func (w *workshop) is(want, query string, args ...any) {
	w.t.Helper()
	w.eventually(query, func() error {
		var got sql.NullString
		if err := w.db.Get(&got, query, args...); err != nil {
			return err
		}
		if got.String != want {
			return fmt.Errorf("it is %q, want %q", got.String, want)
		}
		return nil
	})
}

// holds waits until a stream holds so many messages.
func (w *workshop) holds(name string, want uint64) {
	w.t.Helper()
	w.eventually(name, func() error {
		s, err := w.js.Stream(w.t.Context(), name)
		if err != nil {
			return err
		}
		if got := s.CachedInfo().State.Msgs; got != want {
			return fmt.Errorf("it holds %d messages, want %d", got, want)
		}
		return nil
	})
}
