package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func TestADeletedRegistrationLeavesItsEventsAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.process(paidFor(1, "reg-1"), paidFor(2, "reg-2"), failedFor(3, "reg-1"))
	f.exec(`DELETE FROM registrations WHERE id = 'reg-1'`)
	f.wantLinks("evt_paid_1 ignored", "evt_paid_2 reg-2", "evt_payment_failed_3 ignored")
	f.want([]string{"registration deleted"}, `SELECT DISTINCT reason FROM stripe_events WHERE outcome = 'ignored'`)
	f.want([]string{"reg-2"}, `SELECT registration_id FROM notifications`)
	f.want([]string{"reg-2"}, `SELECT registration_id FROM registration_history`)
	f.wantRemaining("e", 4)
	f.process(paidFor(1, "reg-1"), failedFor(3, "reg-1")) // a redelivery changes nothing
	f.wantLinks("evt_paid_1 ignored", "evt_paid_2 reg-2", "evt_payment_failed_3 ignored")
	f.process(fact(4, registration.Disputed, "", of("", "pi_reg-1", ""))) // a new event is not lost
	f.wantLinks("evt_disputed_4 waiting", "evt_paid_1 ignored", "evt_paid_2 reg-2", "evt_payment_failed_3 ignored")
}

func TestTruncatedRegistrationsLeaveTheirEventsAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.process(paidFor(1, "reg-1"), paidFor(2, "nobody"))
	f.exec(`TRUNCATE registrations`)
	f.wantLinks("evt_paid_1 ignored", "evt_paid_2 waiting")
	f.want([]string{}, `SELECT slot FROM notifications UNION ALL SELECT registration_id FROM registration_history`)
	f.wantRemaining("e", 5)
}

func TestARegistrationInsertedAgainStartsAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"))
	f.exec(`DELETE FROM registrations`)
	f.register("e", "reg-1")
	f.sweep()
	f.process(paidFor(1, "reg-1"))
	f.wantState("reg-1", "PENDING seat ")
	f.process(paidFor(2, "reg-1"))
	f.wantState("reg-1", "PAID seat ")
	f.want([]string{"paid:pi_reg-1"}, `SELECT slot FROM notifications`)
}

// The clock's facts have the same ids in the second life as in the first.
func TestARegistrationInsertedAgainExpiresAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	for range 2 {
		f.register("e", "reg-1")
		f.sweep()
		f.now = noon.Add(policy.PendingHold + policy.ExpiryGrace)
		if n := f.clean(); n != 1 {
			t.Errorf("%d cleaned, want 1", n)
		}
		f.wantState("reg-1", "EXPIRED no-seat ")
		f.exec(`DELETE FROM registrations`)
		f.wantLinks()
	}
}

func TestTheClocksFactDoesNotOutliveItsRegistration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_shared'`)
	f.sweep()
	f.now = noon.AddDate(10, 0, 0)
	overdue, err := f.store.Overdue(t.Context(), 10, []string{"reg-2"})
	if err != nil || len(overdue) != 1 {
		t.Fatalf("got %+v, %v", overdue, err)
	}
	f.exec(`DELETE FROM registrations WHERE id = 'reg-1'`)
	if got := f.process(store.Own("reg-1", overdue[0].Fact)); len(got.Stored)+len(got.Waiting)+len(got.Changes) != 0 {
		t.Errorf("got %+v", got)
	}
	f.wantLinks()
	f.wantState("reg-2", "PENDING seat ")
}

// The platform deletes a row while a worker, which has linked facts to it already, waits for its lock.
func TestAFactOfARegistrationThatIsDeletedMeanwhileWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "other")
	for round := range 5 {
		id := fmt.Sprintf("reg-%d", round)
		f.register("e", id)
		early := fact(100+round, registration.IntentSucceeded, "", of("", "pi_"+id, "ch_"+id))
		f.process(early)
		platform, err := f.db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := platform.Exec(`DELETE FROM registrations WHERE id = $1`, id); err != nil {
			t.Fatal(err)
		}
		done := make(chan store.Result)
		go func() {
			result, err := f.store.Process(context.Background(), []store.Received{paidFor(round, id), paidFor(50+round, "other")})
			if err != nil {
				t.Error(err)
			}
			done <- result
		}()
		f.untilBlocked()
		if err := platform.Commit(); err != nil {
			t.Fatal(err)
		}
		got := <-done
		if len(got.Waiting) != 1 || len(got.Links) != 1 || got.Links[0].RegistrationID != "other" {
			t.Errorf("waiting %q, linked %q", waiting(got.Waiting), linked(got.Links))
		}
		f.want([]string{"waiting"}, `SELECT DISTINCT outcome FROM stripe_events WHERE intent_id = $1`, "pi_"+id)
		f.register("e", id) // whoever comes back gets what waits
		f.sweep()
		f.wantState(id, "PAID seat ")
		f.exec(`DELETE FROM registrations WHERE id = $1`, id)
	}
}

func TestASweepPassesOverADeletedRegistration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.process(paidFor(1, "reg-1"), paidFor(2, "reg-2"))
	f.register("e", "reg-1", "reg-2")
	platform, err := f.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := platform.Exec(`DELETE FROM registrations WHERE id = 'reg-1'`); err != nil {
		t.Fatal(err)
	}
	f.sweep() // it does not wait for the platform
	f.wantState("reg-2", "PAID seat ")
	if err := platform.Commit(); err != nil {
		t.Fatal(err)
	}
	f.sweep()
	f.wantLinks("evt_paid_1 waiting", "evt_paid_2 reg-2")
}

func TestARegistrationKeepsItsId(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	_, err := f.db.Exec(`UPDATE registrations SET id = 'reg-2'`)
	if !isPQ(err, "23514", "registration reg-1 keeps its id") {
		t.Errorf("got %v", err)
	}
	f.exec(`UPDATE registrations SET id = 'reg-1', name = 'as some mappers write every column'`)
}
