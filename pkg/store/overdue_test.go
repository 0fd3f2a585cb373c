package store_test

import (
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func TestAFailedPaymentKeepsItsPlaceForAWhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(failedFor(0, "reg-1"))
	f.now = noon.Add(policy.FailedHold - time.Second)
	if n := f.clean(); n != 0 {
		t.Errorf("%d cleaned before their time", n)
	}
	f.wantState("reg-1", "FAILED seat ")
	f.now = noon.Add(policy.FailedHold)
	if n := f.clean(); n != 1 {
		t.Errorf("%d cleaned, want 1", n)
	}
	f.wantState("reg-1", "FAILED no-seat ")
	f.want([]string{"hold_expired:reg-1: clock reg-1"}, `SELECT concat_ws(' ', id, source, registration_id) FROM stripe_events WHERE source <> 'stripe'`)
	if n := f.clean(); n != 0 {
		t.Errorf("%d cleaned again", n)
	}
}

func TestAPendingRegistrationExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_1', checkout_created_at = $1, checkout_expires_at = $2 WHERE id = 'reg-2'`, noon, noon.Add(time.Hour))
	f.sweep()
	f.now = noon.Add(time.Hour + policy.ExpiryGrace)
	f.clean()
	f.wantState("reg-2", "EXPIRED no-seat ")
	f.wantState("reg-1", "PENDING seat ")
	f.now = noon.Add(policy.PendingHold + policy.ExpiryGrace)
	f.clean()
	f.wantState("reg-1", "EXPIRED no-seat ")
	f.want([]string{"session_expired:reg-1:", "session_expired:reg-2:cs_1"}, `SELECT id FROM stripe_events ORDER BY id`)
	f.wantSent("removed:cs_1", "removed:none")
	f.wantRemaining("e", 5)
}

func TestTwoCleanupsMakeOneFact(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2", "reg-3")
	f.process(failedFor(0, "reg-1"))
	f.sweep()
	f.now = noon.AddDate(0, 0, 2)
	workers := []*store.Store{f.store, f.open(store.Options{}), f.open(store.Options{})}
	inParallel(t, len(workers), func(i int) error {
		_, err := clean(workers[i])
		return err
	})
	f.clean() // a row that another cleanup held was left out
	f.want([]string{"3"}, `SELECT count(*) FROM stripe_events WHERE source = 'clock'`)
	f.want([]string{"4"}, `SELECT count(*) FROM registration_history`)
	f.wantRemaining("e", 5)
}

func TestAPaymentThatArrivesWhileCleanupWorksWins(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]store.Received{"failed": failedFor(0, "reg-1"), "pending": fact(0, registration.ActionRequired, "reg-1", of("", "pi_reg-1", ""))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 1)
			f.register("e", "reg-1")
			f.process(early)
			f.now = noon.AddDate(0, 0, 2)
			overdue, err := f.store.Overdue(t.Context(), 10, nil)
			if err != nil || len(overdue) != 1 || overdue[0].Fact.ID == "" {
				t.Fatalf("got %+v, %v", overdue, err)
			}
			f.process(paidFor(5, "reg-1"))
			f.process(store.Own("reg-1", overdue[0].Fact))
			f.wantState("reg-1", "PAID seat ")
			if n := f.clean(); n != 0 {
				t.Errorf("%d cleaned", n)
			}
		})
	}
}

func TestOverdueLeavesOutWhatItIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2", "reg-3", "reg-4")
	f.sweep()
	f.exec(`UPDATE registrations SET deadline = deadline - interval '1 hour' WHERE id = 'reg-4'`)
	f.now = noon.AddDate(0, 0, 2)
	platform, err := f.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = platform.Rollback() }()
	platform.MustExec(`UPDATE registrations SET name = 'x' WHERE id = 'reg-2'`)
	for _, c := range []struct {
		limit  int
		except []string
		want   string
	}{
		{10, nil, "reg-1 reg-3 reg-4"},
		{10, []string{}, "reg-1 reg-3 reg-4"},
		{10, []string{"reg-1"}, "reg-3 reg-4"},
		{1, nil, "reg-4"}, // the longest overdue
		{1, []string{"reg-4"}, "reg-1"},
		{10, []string{"reg-1", "reg-3", "reg-4"}, ""},
	} {
		overdue, err := f.store.Overdue(t.Context(), c.limit, c.except)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i, o := range overdue {
			if i > 0 {
				got += " "
			}
			got += o.Registration.ID
		}
		if got != c.want {
			t.Errorf("limit %d, except %q: got %q, want %q", c.limit, c.except, got, c.want)
		}
	}
}

// The rule has changed since the deadline was stored.
func TestADeadlineThatIsNotPastAnyLongerMakesNoFact(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.sweep()
	f.exec(`UPDATE registrations SET deadline = $1`, noon.Add(-time.Hour))
	overdue, err := f.store.Overdue(t.Context(), 10, nil)
	if err != nil || len(overdue) != 1 || overdue[0].Fact.ID != "" || overdue[0].State.Lapse != registration.SessionExpired {
		t.Errorf("got %+v, %v", overdue, err)
	}
}
