package acceptance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
)

// stateQuery is all that registrations, places and attention are; not when they came to be so.
const stateQuery = `
SELECT concat_ws(' ', r.id, r.status, r.cause, r.seat_wished, r.seat_held, array_to_string(r.attention, ','), r.deadline, r.paid_at, r.removed_at IS NOT NULL)
FROM registrations r
UNION ALL
SELECT concat_ws(' ', e.id, e.seats_held) FROM events e
UNION ALL
SELECT concat_ws(' ', a.registration_id, a.flag, a.object, a.cleared_at IS NOT NULL) FROM attention a
UNION ALL
SELECT concat_ws(' ', f.id, f.outcome, f.registration_id) FROM stripe_events f
ORDER BY 1`

func stateOf(t *testing.T, db *sqlx.DB) []string {
	t.Helper()
	var state []string
	if err := db.Select(&state, stateQuery); err != nil {
		t.Fatal(err)
	}
	return state
}

// A dump knows the first half of the events; the workers processed the second half too before all was lost.
func TestAReplayBringsARestoredDatabaseToTheStateThatItHad(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	c := newCluster(t)
	stripe := simulate.New(random, time.Now)
	purchases := write(random, stripe, 120, time.Now())
	var events []simulate.Event
	for _, p := range purchases {
		p.late = false
		events = append(events, p.events...)
	}
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	before, after := events[:len(events)/2], events[len(events)/2:]
	c.insert(purchases, false)
	c.deliver(random, stripe, before)
	c.settled(len(before))
	dump := filepath.Join(t.TempDir(), "guichet.dump")
	command(t, "pg_dump", "--format=custom", "--file="+dump, "--dbname="+c.setting("DATABASE_URL"))
	c.deliver(random, stripe, after)
	c.settled(len(events))
	want := stateOf(t, c.db)
	for _, w := range c.workers {
		w.stop()
	}

	restored := pgtest.Database(t)
	command(t, "pg_restore", "--exit-on-error", "--dbname="+restored, dump)
	db := sqlx.MustConnect("postgres", restored)
	t.Cleanup(func() { _ = db.Close() })
	if slices.Equal(stateOf(t, db), want) {
		t.Fatal("the dump knows all: there is nothing to replay")
	}
	env := append(slices.Clone(c.env), "DATABASE_URL="+restored)
	c.verifyNames(env, after)

	plan := start(t, "guichet", env, "replay")
	if code := plan.code(); code != 0 || slices.Equal(stateOf(t, db), want) {
		t.Errorf("a dry run ended with %d, and must change nothing:\n%s", code, plan.out.String())
	}
	if p := start(t, "guichet", env, "replay", "--apply", "--yes"); p.code() != 0 {
		t.Fatalf("replay --apply:\n%s", p.out.String())
	}
	got := stateOf(t, db)
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("after the replay there is %q", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("after the replay there is no %q", line)
		}
	}
	c.verifyNames(env, nil)

	// No mail goes out, not when a worker comes back either.
	mailbox := filepath.Join(t.TempDir(), "mailbox")
	w := start(t, "worker", append(env, "MAILBOX_DIR="+mailbox, "ADMIN_EMAIL=admin@example.org", "CLEANUP_INTERVAL=100ms", "SWEEP_INTERVAL=100ms"))
	w.match(`✅ Cleanup (completed)`)
	w.stop()
	if files, err := os.ReadDir(mailbox); err == nil && len(files) > 0 {
		t.Errorf("%d mails went out, such as %s", len(files), files[0].Name())
	}
	var pending int
	if err := db.Get(&pending, `SELECT count(*) FROM notifications WHERE status = 'pending'`); err != nil || pending > 0 {
		t.Errorf("%d mails wait to be sent (%v)", pending, err)
	}
}

// verifyNames wants `guichet verify` to name as missing exactly the facts of these events, and nothing else.
func (c *cluster) verifyNames(env []string, events []simulate.Event) {
	c.t.Helper()
	p := start(c.t, "guichet", env, "verify", "--output", "json", "--limit", "10000")
	wantCode := 0
	if len(events) > 0 {
		wantCode = 1
	}
	if code := p.code(); code != wantCode {
		c.t.Fatalf("verify ended with %d:\n%s", code, p.out.String())
	}
	var out struct{ Differences []store.Difference }
	if err := json.NewDecoder(strings.NewReader(p.out.String())).Decode(&out); err != nil {
		c.t.Fatalf("%v in\n%s", err, p.out.String())
	}
	var want, got []string
	for _, e := range events {
		want = append(want, e.ID)
	}
	for _, d := range out.Differences {
		if d.About != store.AboutEvent || d.Stored != store.Absent {
			c.t.Errorf("verify names %+v", d)
		}
		got = append(got, d.ID)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		c.t.Errorf("verify names %d events as missing, of %d that are", len(got), len(want))
	}
}

// setting is a setting of the cluster's services.
func (c *cluster) setting(name string) string {
	for _, s := range c.env {
		if value, found := strings.CutPrefix(s, name+"="); found {
			return value
		}
	}
	return ""
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil { // #nosec G204 -- PostgreSQL's own tools
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
