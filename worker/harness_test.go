package worker

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stream/streamtest"
	"github.com/educareschool/guichet/pkg/waittest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// patience bounds how long a condition may take on a busy machine.
const patience = 30 * time.Second

// room is a NATS server with the streams and a migrated database, in which workers run.
type room struct {
	t        *testing.T
	nats     *localnats.Server
	js       jetstream.JetStream
	db       *sqlx.DB
	settings Settings
	random   *rand.Rand
	stripe   *simulate.Stripe
}

func newRoom(t *testing.T) *room {
	t.Helper()
	server, err := localnats.Start(localnats.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	random := rand.New(rand.NewPCG(1, 2))
	r := &room{t: t, nats: server, random: random, stripe: simulate.New(random, time.Now)}
	if r.js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Setup(t.Context(), r.js, stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 28, DuplicateWindow: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	url := pgtest.Database(t)
	if _, _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	r.db = sqlx.MustConnect("postgres", url)
	t.Cleanup(func() { _ = r.db.Close() })
	err = settings.Load(&r.settings, settings.Source{Env: map[string]string{
		"NATS_URL": server.URL(), "DATABASE_URL": url, "ADMIN_ADDR": "127.0.0.1:0", "SWEEP_INTERVAL": "50ms", "CLEANUP_INTERVAL": "100ms",
		"ACTION_REQUIRED_DELAY": "0s", "MAILBOX_DIR": filepath.Join(t.TempDir(), "mailbox"), "ADMIN_EMAIL": "admin@example.org",
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.exec(`INSERT INTO events (id, title, capacity) VALUES ('e', 'Concert', 100)`)
	return r
}

// running is a worker that a test runs.
type running struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan error
	logs   *logs
	admin  string
}

type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// work starts a worker; the test's end stops it.
func (r *room) work() *running {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &running{t: r.t, cancel: cancel, done: make(chan error, 1), logs: &logs{}}
	log, err := logging.New(w.logs, "debug", "json")
	if err != nil {
		r.t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		w.done <- Run(ctx, Options{Settings: r.settings, Log: log, Ready: func(addr string) { ready <- addr }})
		close(w.done)
	}()
	r.t.Cleanup(func() {
		w.stop()
		if r.t.Failed() {
			r.t.Logf("the worker logged:\n%s", w.logs)
		}
	})
	select {
	case w.admin = <-ready:
	case err := <-w.done:
		r.t.Fatalf("the worker ended: %v", err)
	case <-time.After(patience):
		r.t.Fatal("the worker did not start")
	}
	return w
}

// stop ends the worker as a signal does, and wants a clean end. A second call does nothing.
func (w *running) stop() {
	w.t.Helper()
	w.cancel()
	select {
	case err, first := <-w.done:
		if first && err != nil {
			w.t.Errorf("the worker ended with %v", err)
		}
	case <-time.After(patience):
		w.t.Error("the worker did not stop")
	}
}

func (r *room) exec(query string, args ...any) {
	r.t.Helper()
	if _, err := r.db.Exec(query, args...); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
}

// refuse has PostgreSQL refuse to insert or update rows, as what breaks a rule.
func (r *room) refuse(action, table, which string) {
	r.t.Helper()
	r.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$`)
	r.exec(fmt.Sprintf(`CREATE TRIGGER refuse BEFORE %s ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION refuse()`, action, table, which))
}

func (r *room) register(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		r.exec(`INSERT INTO registrations (id, event_id, email) VALUES ($1, 'e', $1 || '@example.org')`, id)
	}
}

// publish stores events as the ingester does.
func (r *room) publish(events ...simulate.Event) {
	r.t.Helper()
	for _, e := range events {
		r.store(e.ID, e.Type, e.Body)
	}
}

// store puts any bytes into the stream as an event.
func (r *room) store(id, eventType string, body []byte) {
	r.t.Helper()
	m := nats.NewMsg(stream.Subject(eventType))
	m.Data = body
	m.Header.Set(stream.HeaderMsgID, id)
	m.Header.Set(stream.HeaderEventID, id)
	m.Header.Set(stream.HeaderEventType, eventType)
	m.Header.Set(stream.HeaderReceivedAt, time.Now().UTC().Format(stream.TimeFormat))
	if _, err := r.js.PublishMsg(r.t.Context(), m); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) eventually(what string, condition func() error) {
	r.t.Helper()
	waittest.Until(r.t, patience, what, condition)
}

// is waits until a query gives a text.
func (r *room) is(want, query string, args ...any) {
	r.t.Helper()
	r.eventually(query, func() error {
		var got sql.NullString
		if err := r.db.Get(&got, query, args...); err != nil {
			return err
		}
		if got.String != want {
			return fmt.Errorf("it is %q, want %q", got.String, want)
		}
		return nil
	})
}

func (r *room) status(id, want string) {
	r.t.Helper()
	r.is(want, `SELECT status FROM registrations WHERE id = $1`, id)
}

// drained waits until the consumer has nothing left.
func (r *room) drained() {
	r.t.Helper()
	r.eventually("the stream is processed", func() error { return streamtest.Drained(r.t.Context(), r.js) })
}

// letters returns the dead letters.
func (r *room) letters() []*jetstream.RawStreamMsg {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream.DeadLetters)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []*jetstream.RawStreamMsg
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(r.t.Context(), seq)
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

func (w *running) says(line string) {
	w.t.Helper()
	w.logs.say(w.t, line)
}

// say waits until a line is logged.
func (l *logs) say(t *testing.T, line string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !strings.Contains(l.String(), line) {
		if time.Now().After(deadline) {
			t.Fatalf("the log never says %q:\n%s", line, l)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
