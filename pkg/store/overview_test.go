package store_test

import (
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func (f *fixture) overview() store.Overview {
	f.t.Helper()
	o, err := f.store.Overview(f.t.Context(), 2, 3)
	if err != nil {
		f.t.Fatal(err)
	}
	return o
}

func TestTheOverviewCountsASmallDatabaseExactly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("full", 1)
	f.event("wide", 10)
	f.event("empty", 10)
	f.register("full", "reg-1")
	f.register("wide", "reg-2", "reg-3")
	f.process(failedFor(1, "reg-1"), paidFor(2, "reg-2"), paidFor(3, "reg-late"))
	f.sweep()
	f.now = noon.Add(26 * time.Hour)
	f.clean() // reg-1 and reg-3 give their places up
	f.register("full", "reg-4")
	f.process(paidFor(4, "reg-1")) // and finds none
	if _, err := f.store.BeginOperation(t.Context(), "replay", "ada", nil); err != nil {
		t.Fatal(err)
	}
	o := f.overview()
	for outcome, want := range map[string]int64{store.EventSettled: 5, store.EventWaiting: 1, store.EventIgnored: 0} {
		if got := o.Inbox[outcome]; got != (store.Count{Count: want}) {
			t.Errorf("%s: %+v, want %d", outcome, got, want)
		}
	}
	for status, want := range map[store.MailStatus]int64{store.MailPending: 5, store.MailSent: 0, store.MailFailed: 0} {
		if got, there := o.Outbox[status]; got != (store.Count{Count: want}) || !there {
			t.Errorf("%s mails: %+v, want %d", status, got, want)
		}
	}
	if o.Registrations[registration.PaidStatus] != 2 || o.Registrations[registration.Expired] != 1 || o.Registrations[registration.Pending] != 1 {
		t.Errorf("registrations: %v", o.Registrations)
	}
	if len(o.Places) != 2 || o.Places[0].ID != "full" || o.Places[0].Title != "full" || o.Places[0].Held != 1 || *o.Places[0].Capacity != 1 || o.Places[0].Waiting != 1 ||
		o.Places[1].ID != "wide" || o.Places[1].Held != 1 || o.Places[1].Waiting != 0 {
		t.Errorf("places: %+v", o.Places)
	}
	if len(o.Operations) != 1 || o.Operations[0].FinishedAt != nil {
		t.Errorf("operations: %+v", o.Operations)
	}
}

func TestTheOverviewEstimatesALargeInboxAndSaysSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// 40 MB in few rows.
	f.exec(`
INSERT INTO stripe_events (id, type, outcome, kind, created, detail)
SELECT 'evt_' || n, 'x', CASE WHEN n % 10 = 0 THEN 'ignored' WHEN n = 1 THEN 'waiting' ELSE 'ignored' END, 'paid', now(), to_jsonb(repeat('x', 1700))
FROM generate_series(1, 22000) n`)
	if got := f.overview().Inbox[store.EventIgnored]; got != (store.Count{Count: 21_999}) {
		t.Errorf("before the planner knows anything it is counted: %+v", got)
	}
	f.exec(`ANALYZE stripe_events`)
	o := f.overview()
	if got := o.Inbox[store.EventIgnored]; !got.Estimated || got.Count < 19_000 || got.Count > 24_000 {
		t.Errorf("ignored: %+v", got)
	}
	if got := o.Inbox[store.EventWaiting]; got != (store.Count{Count: 1}) {
		t.Errorf("what waits is counted: %+v", got)
	}
}
