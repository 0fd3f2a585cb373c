package store_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func keys(of map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(of)), " ") }

func TestWhatIsInTheInboxOrWasBroughtInIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`INSERT INTO stripe_events (id, type, outcome) VALUES ('evt_1', 'ping', 'ignored'), ('evt_2', 'ping', 'ignored')`)
	ids := []string{"evt_1", "evt_2", "evt_3", "evt_4"}
	if got, err := f.store.Stored(t.Context(), ids); err != nil || keys(got) != "evt_1 evt_2" {
		t.Errorf("%v, %v", got, err)
	}
	if err := f.store.NoteBackfilled(t.Context(), []string{"evt_3", "evt_2", "evt_3"}); err != nil {
		t.Fatal(err)
	}
	f.now = noon.Add(6 * 24 * time.Hour)
	if err := f.store.NoteBackfilled(t.Context(), []string{"evt_2"}); err != nil {
		t.Fatal(err)
	}
	for within, want := range map[time.Duration]string{7 * 24 * time.Hour: "evt_2 evt_3", 24 * time.Hour: "evt_2"} {
		if got, err := f.store.Backfilled(t.Context(), ids, within); err != nil || keys(got) != want {
			t.Errorf("within %s: %v, %v", within, got, err)
		}
	}
	if err := f.store.ForgetBackfilled(t.Context(), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if got, err := f.store.Backfilled(t.Context(), ids, 1000*time.Hour); err != nil || keys(got) != "evt_2" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAMarkMovesForwardAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if got, err := f.store.Mark(t.Context(), "reconcile"); err != nil || !got.IsZero() {
		t.Errorf("%s, %v", got, err)
	}
	for _, at := range []time.Time{noon, noon.Add(time.Hour), noon.Add(time.Minute)} {
		if err := f.store.SetMark(t.Context(), "reconcile", at); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.store.Mark(t.Context(), "reconcile"); err != nil || !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestPendingRegistrationsAreAskedAboutInTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 100)
	f.exec(`INSERT INTO registrations (id, event_id, email, created_at, checkout_session_id, checkout_created_at) VALUES
		('r-young', 'e', '', $1::timestamptz + interval '5 hours 30 minutes', 'cs_1', NULL), ('r-old', 'e', '', $1, 'cs_2', NULL),
		('r-without', 'e', '', $1, NULL, NULL), ('r-paid', 'e', '', $1, 'cs_3', NULL), ('r-overdue', 'e', '', $1, 'cs_4', NULL)`, noon)
	f.exec(`UPDATE registrations SET status = 'PAID' WHERE id = 'r-paid'`)
	f.exec(`UPDATE registrations SET deadline = $1::timestamptz + interval '5 hours' WHERE id = 'r-overdue'`, noon)
	f.now = noon.Add(6 * time.Hour)
	pending := func(limit int) string {
		t.Helper()
		found, err := f.store.Pending(t.Context(), time.Hour, 3*time.Hour, limit)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range found {
			out = append(out, p.Registration.ID+" "+p.Session)
		}
		return strings.Join(out, ", ")
	}
	note := func(ids ...string) {
		t.Helper()
		if err := f.store.NotePending(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
	}
	if got := pending(10); got != "r-old cs_2, r-without " {
		t.Errorf("at first %s", got)
	}
	note("r-old")
	if got := pending(10); got != "r-without " {
		t.Errorf("after one was asked about %s", got)
	}
	f.now = noon.Add(9 * time.Hour)
	note("r-without")
	if got := pending(1); got != "r-young cs_1" { // nobody has asked about it yet
		t.Errorf("later %s", got)
	}
	if got := pending(10); got != "r-old cs_2, r-young cs_1" {
		t.Errorf("later %s", got)
	}
}

func TestARowWithANewSessionIsAskedAboutAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 1)
	f.exec(`INSERT INTO registrations (id, event_id, email, created_at, checkout_session_id) VALUES ('r', 'e', '', '2020-01-01', 'cs_1')`)
	f.now = time.Now()
	if err := f.store.NotePending(t.Context(), []string{"r"}); err != nil {
		t.Fatal(err)
	}
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_2' WHERE id = 'r'`) // set now, by the database's clock
	for after, want := range map[time.Duration]int{30 * time.Minute: 0, 2 * time.Hour: 1} {
		f.now = time.Now().Add(after)
		if found, err := f.store.Pending(t.Context(), time.Hour, 24*time.Hour, 10); err != nil || len(found) != want {
			t.Errorf("after %s: %+v, %v", after, found, err)
		}
	}
}

func TestNotingWhoWasAskedAboutWaitsForNoLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 2)
	f.register("e", "r1", "r2")
	platform := f.db.MustBegin()
	defer func() { _ = platform.Rollback() }()
	platform.MustExec(`UPDATE registrations SET name = 'x' WHERE id = 'r1'`)
	if err := f.store.NotePending(t.Context(), []string{"r1", "r2"}); err != nil {
		t.Fatal(err)
	}
	var asked []string
	if err := f.db.Select(&asked, `SELECT id FROM registrations WHERE asked_at IS NOT NULL`); err != nil || fmt.Sprint(asked) != "[r2]" {
		t.Errorf("%v, %v", asked, err)
	}
}
