package store_test

import (
	"testing"

	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestAPaymentConfirmsARegistrationOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 2)
	f.register("e", "reg-1")
	if got := f.process(paidFor(1, "reg-1")); len(got.Changes) != 1 || len(got.Links) != 1 || !got.Stored["evt_paid_1"] {
		t.Fatalf("got %+v", got)
	}
	f.wantState("reg-1", "PAID seat ")
	f.wantRemaining("e", 1)
	again := f.process(paidFor(1, "reg-1"), paidFor(1, "reg-1"))
	if len(again.Stored)+len(again.Links)+len(again.Changes) != 0 {
		t.Errorf("a redelivery did something: %+v", again)
	}
	f.want([]string{"paid:pi_reg-1"}, `SELECT slot FROM notifications`)
	f.want([]string{"PAID"}, `SELECT to_status FROM registration_history`)
}

func TestAnEventThatComesTwiceInABatchCountsOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 2)
	f.register("e", "reg-1")
	got := f.process(paidFor(1, "reg-1"), paidFor(2, "elsewhere"), paidFor(1, "reg-1"), paidFor(2, "elsewhere"))
	if len(got.Stored) != 2 || len(got.Links) != 1 || len(got.Waiting) != 1 || len(got.Changes) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestAnEventThatTellsNoFactIsRecordedWithTheReason(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ignored := store.Received{Event: stripeevent.Event{ID: "evt_1", Type: "customer.created", Created: noon, Ignored: "type not handled"}, Sequence: 7}
	if got := f.process(ignored); !got.Stored["evt_1"] || len(got.Waiting) != 0 {
		t.Errorf("got %+v", got)
	}
	undated := store.Received{Event: stripeevent.Event{ID: "evt_2", Type: "v2.core.event", Ignored: "type not handled"}}
	f.process(undated, ignored)
	f.want([]string{"evt_1 customer.created ignored type not handled 7", "evt_2 v2.core.event ignored type not handled none"},
		`SELECT concat_ws(' ', id, type, outcome, reason, coalesce(stream_sequence::text, 'none')) FROM stripe_events ORDER BY id`)
}

func TestAnEmptyBatchIsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if got := f.process(); len(got.Stored)+len(got.Links)+len(got.Waiting)+len(got.Changes) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestABatchIsStoredWhollyOrNotAtAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 2)
	f.register("e", "reg-1")
	bad := paidFor(2, "reg-1")
	bad.Type = "a\x00b"
	if _, err := f.store.Process(t.Context(), []store.Received{paidFor(1, "reg-1"), bad}); !store.IsDataError(err) {
		t.Fatalf("got %v", err)
	}
	f.wantLinks()
	f.wantState("reg-1", "PENDING seat ")
	f.process(paidFor(1, "reg-1"))
	f.wantState("reg-1", "PAID seat ")
}

// A statement that waits for a lock sees what was committed before it began: the facts need one of their own after it.
func TestWhatIsCommittedWhileABatchWaitsForItsRegistrationCounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	other, err := f.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }() // after the commit it does nothing
	other.MustExec(`SELECT FROM registrations WHERE id = 'reg-1' FOR NO KEY UPDATE`)
	other.MustExec(`
INSERT INTO stripe_events (id, type, outcome, registration_id, kind, created, session_id, intent_id)
VALUES ('evt_other', 'checkout.session.completed', 'settled', 'reg-1', 'paid', $1, 'cs_reg-1', 'pi_reg-1')`, noon)
	done := f.processing(failedFor(1, "reg-1"))
	f.untilBlocked()
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.wantState("reg-1", "PAID seat ")
}
