package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

const withoutSeat = "PAID no-seat paid_without_seat"

// late makes registrations that lost their places, which others took, and paid afterwards, in the order given.
func (f *fixture) late(event string, capacity int, ids ...string) {
	f.t.Helper()
	f.event(event, max(capacity, len(ids)))
	f.register(event, ids...)
	for i, id := range ids {
		f.process(canceledFor(i, id))
	}
	for i := range max(capacity, len(ids)) {
		f.register(event, fmt.Sprintf("%s-quick-%d", event, i))
	}
	for i, id := range ids {
		f.process(paidFor(100+i, id))
		f.wantState(id, withoutSeat)
	}
}

func TestAPaymentThatFindsNoPlaceIsPaidWithoutOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.late("e", 1, "reg-1")
	f.want([]string{"attention attention:paid_without_seat:pi_reg-1", "payment_canceled removed:pi_reg-1", "payment_confirmed paid:pi_reg-1"},
		`SELECT kind || ' ' || slot FROM notifications WHERE registration_id = 'reg-1' ORDER BY 1`)
	f.process(fact(200, registration.IntentSucceeded, "reg-1", of("", "pi_reg-1", "ch"))) // it tells the admin once
	f.want([]string{"1"}, `SELECT count(*) FROM notifications WHERE slot LIKE 'attention:%'`)
	f.exec(`DELETE FROM registrations WHERE id = 'e-quick-0'`)
	f.wantState("reg-1", "PAID seat ")
	f.wantRemaining("e", 0)
}

func TestAFreedPlaceGoesToTheOldestPaymentWithoutOne(t *testing.T) {
	t.Parallel()
	for name, free := range map[string]func(*fixture){
		"deleted by the platform":    func(f *fixture) { f.exec(`DELETE FROM registrations WHERE id = 'e-quick-0'`) },
		"moved by the platform":      func(f *fixture) { f.exec(`UPDATE registrations SET event_id = 'other' WHERE id = 'e-quick-0'`) },
		"added by the platform":      func(f *fixture) { f.exec(`UPDATE events SET capacity = capacity + 1 WHERE id = 'e'`) },
		"released by a cancellation": func(f *fixture) { f.process(canceledFor(300, "e-quick-0")) },
		"released by the clock": func(f *fixture) {
			f.exec(`UPDATE registrations SET checkout_expires_at = $1 WHERE id = 'e-quick-0'`, noon)
			f.sweep()
			f.now = noon.Add(policy.ExpiryGrace)
			f.clean()
		},
		"released while others of the batch want it": func(f *fixture) {
			f.register("other", "reg-9")
			f.process(canceledFor(300, "reg-9"))
			f.exec(`UPDATE registrations SET event_id = 'e' WHERE id = 'reg-9'`)
			f.process(canceledFor(301, "e-quick-0"), paidFor(302, "reg-9"))
			f.wantState("reg-9", withoutSeat)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("other", 1)
			f.late("e", 2, "reg-2", "reg-1")
			free(f)
			f.wantState("reg-2", "PAID seat ")
			f.wantState("reg-1", withoutSeat)
			f.wantRemaining("e", 0)
			f.want([]string{"PAID-PAID true"},
				`SELECT from_status || '-' || to_status || ' ' || seat_held FROM registration_history WHERE registration_id = 'reg-2' ORDER BY id DESC LIMIT 1`)
			f.sweep()
			f.wantState("reg-2", "PAID seat ")
			f.wantState("reg-1", withoutSeat)
		})
	}
}

func TestAFreedPlaceIsNotThePlatformsWhileSomebodyPaidWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.late("e", 1, "reg-1")
	tx, err := f.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	tx.MustExec(`DELETE FROM registrations WHERE id = 'e-quick-0'`)
	_, err = tx.Exec(`INSERT INTO registrations (id, event_id, email) VALUES ('greedy', 'e', 'x')`)
	if !isPQ(err, "23514", "event e is full") {
		t.Errorf("got %v", err)
	}
	_ = tx.Rollback()
	f.wantState("reg-1", withoutSeat)
}

func TestARaisedCapacitySeatsThoseWhoPaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.late("e", 3, "reg-3", "reg-1", "reg-2")
	f.exec(`UPDATE events SET capacity = 5`)
	f.wantState("reg-3", "PAID seat ")
	f.wantState("reg-1", "PAID seat ")
	f.wantState("reg-2", withoutSeat)
	f.exec(`UPDATE events SET capacity = NULL`)
	f.wantState("reg-2", "PAID seat ")
	f.wantExactCounts()
}

func TestAPaymentMovesToAnEventWithAPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("other", 1)
	f.late("e", 1, "reg-1")
	f.exec(`UPDATE registrations SET event_id = 'other' WHERE id = 'reg-1'`)
	f.sweep()
	f.wantState("reg-1", "PAID seat ")
	f.wantRemaining("other", 0)
	f.wantRemaining("e", 0)
}

// The row that a freed place was meant for was locked when it came free.
func TestAPlaceThatWasMissedIsGivenLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.late("e", 3, "reg-1", "reg-2", "reg-3")
	platform, err := f.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	platform.MustExec(`UPDATE registrations SET name = 'x' WHERE id IN ('reg-1', 'reg-2', 'reg-3')`)
	f.exec(`DELETE FROM registrations WHERE id IN ('e-quick-0', 'e-quick-1')`)
	if err := platform.Commit(); err != nil {
		t.Fatal(err)
	}
	f.wantRemaining("e", 2)
	f.process(fact(300, registration.IntentSucceeded, "reg-3", of("", "pi_reg-3", "ch"))) // older payments come first
	f.wantState("reg-3", withoutSeat)
	if err := f.store.MarkSeatable(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.wantState("reg-1", "PAID seat ")
	f.wantState("reg-2", "PAID seat ")
	f.wantState("reg-3", withoutSeat)
	f.wantRemaining("e", 0)
	if err := f.store.MarkSeatable(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.wantState("reg-3", withoutSeat)
}

func TestABatchsOwnReleasesSeatItsPayments(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("a", 2)
	f.event("b", 1)
	f.register("a", "reg-1", "reg-2")
	f.process(canceledFor(1, "reg-1"), canceledFor(2, "reg-2"))
	f.register("a", "reg-3", "reg-4")
	f.register("b", "reg-5")
	f.process(paidFor(13, "reg-1"), canceledFor(11, "reg-3"), paidFor(12, "reg-2"), canceledFor(14, "reg-5"))
	f.wantState("reg-2", "PAID seat ")
	f.wantState("reg-1", withoutSeat)
	f.wantRemaining("a", 0)
	f.wantRemaining("b", 1)
}

func TestPaymentsOfABatchAreSeatedOldestFirstAndBeforeOtherWishes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 4)
	f.register("e", "a", "b", "c", "d")
	f.process(canceledFor(1, "a"), canceledFor(2, "b"), canceledFor(3, "c"), canceledFor(4, "d"))
	f.exec(`UPDATE events SET capacity = 2`)
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_new' WHERE id = 'a'`) // it wishes for a place again
	f.process(fact(5, registration.ActionRequired, "a", of("cs_new", "pi_new", "")), paidFor(22, "b"), paidFor(21, "c"), paidFor(20, "d"))
	f.wantState("d", "PAID seat ")
	f.wantState("c", "PAID seat ")
	f.wantState("b", withoutSeat)
	f.wantRemaining("e", 0)
}

func TestTheLastPlaceIsSoldOnceBetweenWorkersAndPlatform(t *testing.T) {
	t.Parallel()
	const payers = 6
	f := newFixture(t)
	f.event("e", payers)
	for i := range payers {
		f.register("e", fmt.Sprint("reg-", i))
		f.process(canceledFor(i, fmt.Sprint("reg-", i)))
	}
	f.exec(`UPDATE events SET capacity = 1`)
	workers := []*store.Store{f.store, f.open(store.Options{})}
	var inserted atomic.Bool
	inParallel(t, payers+1, func(i int) error {
		if i == payers {
			_, err := f.db.Exec(`INSERT INTO registrations (id, event_id, email) VALUES ('quick', 'e', 'x')`)
			inserted.Store(err == nil)
			if err != nil && !isPQ(err, "23514", "event e is full") {
				return err
			}
			return nil
		}
		_, err := workers[i%2].Process(context.Background(), []store.Received{paidFor(100+i, fmt.Sprint("reg-", i))})
		return err
	})
	f.wantRemaining("e", 0)
	without := payers - 1
	if inserted.Load() {
		without = payers
	}
	f.want([]string{fmt.Sprint(without)}, `SELECT count(*) FROM registrations WHERE attention = '{paid_without_seat}'`)
}
