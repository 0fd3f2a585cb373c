package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func (f *fixture) check(of store.Range) store.RegistrationCheck {
	f.t.Helper()
	check, err := f.store.CheckRegistrations(context.Background(), of)
	if err != nil {
		f.t.Fatal(err)
	}
	return check
}

func (f *fixture) wantDifferences(want ...string) {
	f.t.Helper()
	if got := lines(f.check(store.Range{}).Differences); !slices.Equal(got, append([]string{}, want...)) {
		f.t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestEveryCorruptedFieldOfARegistrationIsFound(t *testing.T) {
	t.Parallel()
	for set, want := range map[string][]string{
		`status = 'FAILED'`:                          {"status: FAILED, PAID"},
		`cause = 'dispute'`:                          {"cause: dispute, -"},
		`seat_wished = false`:                        {"seat_wished: false, true"},
		`deadline = '2026-03-11 12:00Z'`:             {"deadline: 2026-03-11T12:00:00Z, -"},
		`paid_at = NULL`:                             {"paid_at: -, 2026-03-10T12:00:01Z"},
		`removed_at = now()`:                         {"removed: true, false"},
		`attention = '{refund_failed}'`:              {"attention: refund_failed, amount_mismatch"},
		`status = 'EXPIRED', removed_at = now()`:     {"removed: true, false", "status: EXPIRED, PAID"},
		`email = '', name = 'nobody', locale = 'en'`: {},
	} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 5)
			f.register("e", "reg-1", "reg-2")
			f.exec(`UPDATE registrations SET amount_due = 1 WHERE id = 'reg-1'`)
			f.process(paidFor(1, "reg-1"), paidFor(2, "reg-2"))
			f.settleAll()
			f.wantDifferences()
			f.exec(`UPDATE registrations SET ` + set + ` WHERE id = 'reg-1'`)
			for i := range want {
				want[i] = "reg-1 " + want[i]
			}
			f.wantDifferences(want...)
		})
	}
}

func TestAPlaceThatNobodyWishesForIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(canceledFor(1, "reg-1"))
	f.exec(`UPDATE registrations SET seat_held = true`)
	f.wantDifferences("reg-1 seat_held: true, false")
}

func TestWhoPaidAndHasNoneOfTheFreePlacesIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 1)
	f.register("e", "reg-1")
	f.process(canceledFor(1, "reg-1"))
	f.register("e", "reg-2")
	f.process(paidFor(2, "reg-1"))
	f.sweep()
	f.wantState("reg-1", "PAID no-seat paid_without_seat")
	if got := f.check(store.Range{}); len(got.Unseated)+len(got.Differences) > 0 {
		t.Errorf("the event is full: %+v", got)
	}
	f.exec(`ALTER TABLE events DISABLE TRIGGER USER`)
	f.exec(`UPDATE events SET capacity = 2`)
	if got := f.check(store.Range{}); !slices.Equal(got.Unseated, []string{"reg-1"}) || len(got.Differences) > 0 {
		t.Errorf("got %+v", got)
	}
}

func TestAttentionThatIsNotWhatTheFactsRaiseIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.exec(`UPDATE registrations SET amount_due = 1 WHERE id = 'reg-1'`)
	f.process(paidFor(1, "reg-1"), paidFor(2, "reg-2"))
	f.settleAll()
	f.exec(`UPDATE attention SET cleared_at = now()`)
	f.exec(`INSERT INTO attention (registration_id, flag, object, raised_at) VALUES ('reg-2', 'refund_failed', 're_1', now())`)
	f.wantDifferences("reg-1 attention raised: -, amount_mismatch:pi_reg-1", "reg-2 attention raised: refund_failed:re_1, -")
}

func TestWhatThePlatformChangedAndNobodySettledYetIsNoDifference(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.process(paidFor(1, "reg-1"))
	f.exec(`UPDATE registrations SET amount_due = 1`)
	if got := f.check(store.Range{}); got.Checked != 2 || got.Due != 2 || len(got.Differences) > 0 {
		t.Errorf("got %+v", got)
	}
}

func TestAFactThatCannotBeReadIsADifferenceAndNoFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.process(paidFor(1, "reg-1"), paidFor(2, "reg-2"))
	f.settleAll()
	f.exec(`UPDATE stripe_events SET detail = '{"amount": "much"}' WHERE registration_id = 'reg-1'`)
	f.wantDifferences("reg-1 facts: evt_paid_1 cannot be read, readable facts")
}

func TestAFactWithAnotherRegistrationThanItsOwnIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	dispute := fact(3, registration.Disputed, "", of("", "pi_reg-1", "ch_1"), func(f *registration.Fact) { f.Dispute = "dp_1" })
	update := fact(4, registration.DisputeUpdated, "", of("", "", "ch_1"), func(f *registration.Fact) { f.Dispute = "dp_1" })
	f.process(paidFor(1, "reg-1"), paidFor(2, "reg-2"), dispute, update)
	f.settleAll()
	f.wantDifferences()
	f.exec(`UPDATE stripe_events SET registration_id = 'reg-2' WHERE id IN ('evt_paid_1', 'evt_disputed_3')`)
	got := f.check(store.Range{})
	slices.Sort(got.Misplaced)
	if !slices.Equal(got.Misplaced, []string{"evt_dispute_updated_4", "evt_disputed_3", "evt_paid_1"}) { // all that is torn apart
		t.Errorf("got %+v", got)
	}
	f.exec(`UPDATE stripe_events SET registration_id = 'reg-1' WHERE id = 'evt_paid_1'`)
	got = f.check(store.Range{})
	if want := "evt_disputed_3 registration_id: reg-2, reg-1"; !slices.Contains(lines(got.Differences), want) {
		t.Errorf("got %q, want %q", lines(got.Differences), want)
	}
	f.exec(`UPDATE stripe_events SET registration_id = 'reg-3' WHERE id = 'evt_disputed_3'`)
	f.exec(`UPDATE stripe_events SET registration_id = 'reg-2b' WHERE id = 'evt_paid_1'`)
	f.exec(`UPDATE stripe_events SET registration_id = '' WHERE id = 'evt_dispute_updated_4'`)
	want := []string{
		"evt_dispute_updated_4 registration_id: -, -", "evt_disputed_3 registration_id: reg-3, -", "evt_paid_1 registration_id: reg-2b, -",
	}
	for _, limit := range []int{1, 2, 10} {
		var all []string
		for next := ""; ; {
			var found []store.Difference
			var err error
			if found, next, err = f.store.Dangling(t.Context(), next, limit); err != nil {
				t.Fatal(err)
			}
			if all = append(all, lines(found)...); next == "" {
				break
			}
		}
		slices.Sort(all)
		if !slices.Equal(all, want) {
			t.Errorf("%d at once: got %q", limit, all)
		}
	}
}

func TestAFactThatWaitsInVainIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"), paidFor(2, "reg-9"))
	f.settleAll()
	linkable := func(of []string) []string {
		found, _, err := f.store.Linkable(t.Context(), of, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return lines(found)
	}
	if got := linkable(nil); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	f.exec(`UPDATE stripe_events SET registration_id = NULL, outcome = 'waiting' WHERE id = 'evt_paid_1'`)
	for _, of := range [][]string{nil, {"evt_paid_1"}} {
		if got := linkable(of); !slices.Equal(got, []string{"evt_paid_1 registration_id: -, reg-1"}) {
			t.Errorf("got %q", got)
		}
	}
	if got := linkable([]string{"evt_paid_2"}); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	f.exec(`UPDATE registrations SET due_at = now()`) // the sweeper sees to it
	if got := linkable(nil); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestAWrongCountOfPlacesIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("a", 5)
	f.event("b", 5)
	f.register("a", "reg-1", "reg-2")
	f.register("b", "reg-3")
	seats := func(of string) (int, []string) {
		events, found, err := f.store.CheckSeats(t.Context(), of)
		if err != nil {
			t.Fatal(err)
		}
		return events, lines(found)
	}
	if n, got := seats(""); n != 2 || len(got) > 0 {
		t.Errorf("%d events, %q", n, got)
	}
	f.exec(`UPDATE events SET seats_held = 3 WHERE id = 'a'`)
	if n, got := seats(""); n != 2 || !slices.Equal(got, []string{"a seats_held: 3, 2"}) {
		t.Errorf("%d events, %q", n, got)
	}
	if n, got := seats("reg-3"); n != 1 || len(got) > 0 {
		t.Errorf("%d events, %q", n, got)
	}
	if n, got := seats("reg-1"); n != 1 || len(got) != 1 {
		t.Errorf("%d events, %q", n, got)
	}
}

func TestRangesCoverEveryRegistrationOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`INSERT INTO events (id, title) VALUES ('e', 'x')`)
	f.exec(`INSERT INTO registrations (id, event_id, email, created_at) SELECT 'reg-' || n, 'e', 'x', $1 FROM generate_series(1, 25) n`, noon)
	f.settleAll()
	f.process(paidFor(1, "reg-7"))
	checked, recent := 0, 0
	err := f.store.Ranges(t.Context(), 10, func(of store.Range) error {
		checked += f.check(of).Checked
		of.Since = noon.Add(time.Second)
		recent += f.check(of).Checked
		return nil
	})
	if err != nil || checked != 25 || recent != 0 {
		t.Errorf("%d checked, %d of them recent, %v", checked, recent, err)
	}
	f.now = noon.Add(time.Hour)
	f.process(paidFor(2, "reg-7"))
	if got := f.check(store.Range{Since: noon.Add(time.Minute)}).Checked; got != 1 {
		t.Errorf("%d were changed since", got)
	}
	if got := f.check(store.Range{IDs: []string{"reg-3", "reg-4", "reg-99"}}).Checked; got != 2 {
		t.Errorf("%d of two were checked", got)
	}
	if err := f.store.Ranges(t.Context(), 10, func(store.Range) error { return errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// While workers settle a storm of events and the platform writes, whoever checks finds nothing.
func TestAStormShowsNoDifferences(t *testing.T) {
	t.Parallel()
	const workers, batches = 2, 60
	f := newFixture(t)
	seed := someSeed(t)
	f.exec(resetWorld)
	f.now = noon.Add(26 * time.Hour)
	stores := []*store.Store{f.store, f.open(store.Options{})}
	checker := f.open(store.Options{})
	var running atomic.Int64
	var group errgroup.Group
	for w, events := range share(seed, workers, batches) {
		running.Add(1)
		group.Go(func() error {
			defer running.Add(-1)
			return work(stores[w], events, seed, uint64(w))
		})
	}
	group.Go(func() error {
		pick := randomly(seed, 100)
		for running.Load() > 0 {
			statement, args := somePlatformStatement(pick)
			if err := f.platform(statement, args); !platformMayFail(err) {
				return fmt.Errorf("the platform: %s: %w", statement, err)
			}
		}
		return nil
	})
	checks, settled := 0, 0
	for running.Load() > 0 {
		check, err := checker.CheckRegistrations(t.Context(), store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		_, counts, err := checker.CheckSeats(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if found := append(check.Differences, counts...); len(found) > 0 {
			t.Fatalf("after %d checks: %q", checks, lines(found))
		}
		checks++
		settled += check.Checked - check.Due
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if settled == 0 {
		t.Error("no settled registration was ever checked")
	}
	t.Logf("%d checks, of %d settled registrations", checks, settled)
}
