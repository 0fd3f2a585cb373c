package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/store"
)

func (w *workshop) report(args ...string) (statusReport, result) {
	w.t.Helper()
	got := w.guichet(append([]string{"status", "--output", "json"}, args...)...)
	var r statusReport
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
		w.t.Fatalf("%v %+v", err, got)
	}
	return r, got
}

func TestStatus_TellsWhatIsLeftToDo(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1", "reg-2")
	stop := w.work()
	w.publish(w.stripe.Payment("reg-1").Completed(), w.stripe.Payment("reg-late").Completed(), w.stripe.Unrelated("customer.created"))
	w.store([]byte(`{"id":"evt_odd","type":"charge.refunded","created":1700000000,"data":{"object":{}}}`))
	w.is("3", `SELECT count(*)::text FROM stripe_events WHERE source = 'stripe'`)
	w.holds("STRIPE_DEAD_LETTERS", 1)
	w.is("1", `SELECT count(*)::text FROM notifications WHERE status = 'sent'`)
	w.is("0", `SELECT count(*)::text FROM registrations WHERE due_at IS NOT NULL`)
	stop()
	w.publish(w.stripe.Payment("reg-2").Completed(), w.stripe.Payment("reg-2").Completed())
	w.counted()
	w.exec(`UPDATE registrations SET amount_due = 100 WHERE id = 'reg-1'`)
	w.exec(`INSERT INTO operations (command, by_whom, started_at) VALUES ('replay', 'ada', now())`)

	r, got := w.report()
	if got.code != service.ExitOK || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	s, d := r.Stream, r.Database
	if s.Events != 6 || s.Pending+s.InWork != 2 || s.Behind == nil || s.Oldest == nil || s.Newest == nil || s.Bytes == 0 || s.MaxBytes == 0 || s.Dead != 1 || s.NewestDead == nil {
		t.Errorf("stream: %+v", s)
	}
	if d.Inbox[store.EventSettled].Count != 1 || d.Inbox[store.EventWaiting].Count != 1 || d.Inbox[store.EventIgnored].Count != 1 || d.Unlinked.Count != 1 ||
		d.Due.Count != 1 || d.Outbox[store.MailSent].Count != 1 || d.Registrations["PAID"] != 1 || d.Registrations["PENDING"] != 1 || d.Registrations["REFUNDED"] != 0 {
		t.Errorf("database: %+v", d)
	}
	if len(d.Events) != 1 || d.Events[0].Held != 2 || d.Events[0].Title != "Concert" || len(d.Operations) != 1 || d.Operations[0].By != "ada" {
		t.Errorf("database: %+v", d)
	}
	table := w.guichet("status")
	for _, want := range []string{
		"2 events behind (", "the oldest stored ", "no worker asks for events", "1, the newest ", "guichet dead list", "1 settled, 1 ignored, 1 waiting for a registration (since ",
		"0 pending, 0 failed, 0 suppressed, 1 sent, 0 dropped", "1 PENDING, 1 PAID", "1 registrations that the platform changed", "nothing waits for a person",
		"none open", "CAPACITY", "Concert", "under way, or cut off", "of 8.6 GB (0.0 %)",
	} {
		if !strings.Contains(table.stdout, want) {
			t.Errorf("%q is not in\n%s", want, table.stdout)
		}
	}
	discreet(t, table)
	discreet(t, got)
}

func TestStatus_SaysThatAllIsProcessedAndWhatWaitsForAPerson(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	if got := w.guichet("status"); got.code != service.ExitOK || !strings.Contains(got.stdout, "empty") {
		t.Errorf("of nothing: %+v", got)
	}
	w.register("reg-1")
	w.work()
	disputed := w.stripe.Payment("reg-1")
	w.publish(w.stripe.Payment("reg-1").Completed(), w.stripe.Payment("reg-1").Completed(), disputed.Completed(), disputed.Disputed())
	w.is("1", `SELECT count(*)::text FROM attention WHERE cleared_at IS NULL`)
	w.is("1", `SELECT count(*)::text FROM stripe_events WHERE kind = 'disputed' AND outcome = 'settled'`)
	w.eventually("all is acknowledged", func() error {
		if r, _ := w.report(); r.Stream.Pending+r.Stream.InWork > 0 {
			return errors.New("not yet")
		}
		return nil
	})
	got := w.guichet("status", "--events", "0")
	for _, want := range []string{"all processed\n", "1 double_payment (", "guichet attention list, guichet money", "1 open, the first wants evidence by "} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s", want, got.stdout)
		}
	}
	if strings.Contains(got.stdout, "CAPACITY") {
		t.Errorf("places are shown that nobody asked for:\n%s", got.stdout)
	}
}

func TestStatus_ShowsTheHalfThatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.publish(w.stripe.Payment("reg-1").Completed())
	w.counted()
	withoutNATS := guichet(t, map[string]string{"NATS_URL": "nats://me:hunter2@127.0.0.1:1", "DATABASE_URL": w.env["DATABASE_URL"]}, "status")
	if withoutNATS.code != service.ExitFailed || !strings.Contains(withoutNATS.stdout, "not known: NATS is away") || !strings.Contains(withoutNATS.stdout, "Concert") ||
		!strings.Contains(withoutNATS.stderr, "reach NATS at 127.0.0.1:1") {
		t.Errorf("%+v", withoutNATS)
	}
	without := map[string]string{"NATS_URL": w.env["NATS_URL"], "DATABASE_URL": "postgres://me:hunter2@127.0.0.1:1/guichet"}
	withoutDatabase := guichet(t, without, "status")
	if withoutDatabase.code != service.ExitFailed || !strings.Contains(withoutDatabase.stdout, "not known: PostgreSQL is away") ||
		!strings.Contains(withoutDatabase.stdout, "1 events behind") || !strings.Contains(withoutDatabase.stderr, "the database is not known") {
		t.Errorf("%+v", withoutDatabase)
	}
	if strings.Contains(withoutNATS.stderr+withoutDatabase.stderr, "hunter2") {
		t.Error("a password is shown")
	}
	var told statusReport
	asJSON := guichet(t, without, "status", "-o", "json")
	if err := json.Unmarshal([]byte(asJSON.stdout), &told); err != nil || told.Database != nil || told.DatabaseAway == "" || told.Stream == nil || told.NATSAway != "" {
		t.Errorf("%v %+v", err, asJSON)
	}
}

func TestStatus_RefusesAnIntervalThatIsNone(t *testing.T) {
	t.Parallel()
	if got := guichet(t, nil, "status", "--watch", "--interval", "0s"); got.code != service.ExitUsage || !strings.Contains(got.stderr, "--interval") {
		t.Errorf("%+v", got)
	}
	if got := guichet(t, nil, "status", "--watch"); got.code != service.ExitUsage || !strings.Contains(got.stderr, "DATABASE_URL is not set") {
		t.Errorf("settings that are wrong are not waited for: %+v", got)
	}
}

// screen is a terminal that a test reads while it is written.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// watch runs status --watch on a screen; what it returns is Ctrl-C, and waits for the exit code.
func watch(t *testing.T, env map[string]string, interactive bool, args ...string) (*screen, func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &screen{}
	ended := make(chan int, 1)
	line := append([]string{"status", "--watch", "--interval", "20ms", "--data", t.TempDir()}, args...)
	go func() {
		ended <- run(ctx, line, surroundings{Stdout: out, Stderr: &bytes.Buffer{}, Interactive: interactive, Settings: settings.Source{Env: env}})
	}()
	stopped := false
	stop := func() int {
		if cancel(); stopped {
			return 0
		}
		stopped = true
		return <-ended
	}
	t.Cleanup(func() { stop() })
	return out, stop
}

func TestStatus_WatchPrintsALineALookForPrograms(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	out, stop := watch(t, w.env, false, "-o", "json")
	w.eventually("it sees an event come", func() error {
		if strings.Contains(out.String(), `"events":0,`) {
			w.publish(w.stripe.Payment("reg-1").Completed())
		}
		if !strings.Contains(out.String(), `"pending":1`) {
			return errors.New("it does not")
		}
		return nil
	})
	if code := stop(); code != service.ExitOK {
		t.Errorf("it ended with %d", code)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines {
		var r statusReport
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Stream == nil || r.Database == nil {
			t.Fatalf("%v: %s", err, line)
		}
	}
	if len(lines) < 2 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestStatus_WatchGoesOnWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	dir := t.TempDir()
	server, err := localnats.Start(localnats.Options{Dir: dir, Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	env := map[string]string{"NATS_URL": server.URL(), "DATABASE_URL": w.env["DATABASE_URL"]}
	if got := guichet(t, env, "setup"); got.code != service.ExitOK {
		t.Fatalf("%+v", got)
	}
	out, stop := watch(t, env, true)
	seen := func(what string) {
		t.Helper()
		from := len(out.String())
		w.eventually("it shows "+what, func() error {
			if !strings.Contains(out.String()[from:], what) {
				return errors.New("not yet")
			}
			return nil
		})
	}
	seen("all processed")
	server.Stop()
	seen("not known: NATS is away")
	if code := stop(); code != service.ExitFailed {
		t.Errorf("it ended with %d", code)
	}
	if !strings.HasPrefix(out.String(), "\x1b[H\x1b[2J") {
		t.Error("it does not redraw a terminal")
	}
}

func TestSizesAreShownInTheirUnit(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 8589934592: "8.6 GB", 1 << 63: "9.2 EB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d is %s, want %s", bytes, got, want)
		}
	}
}

func TestAnOperationsStateIsAWord(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	end := begun.Add(90 * time.Second)
	for want, o := range map[string]store.Operation{
		"under way, or cut off, for 1h": {StartedAt: begun},
		"done in 1m30s":                 {StartedAt: begun, FinishedAt: &end},
		"failed: NATS went away":        {StartedAt: begun, FinishedAt: &end, Error: "NATS went away"},
	} {
		if got := operationState(o, begun.Add(time.Hour)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
