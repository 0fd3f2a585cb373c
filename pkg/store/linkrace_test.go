package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// chains are, for each of n registrations, facts that only lead to it together.
func chains(round, n int) []store.Received {
	var out []store.Received
	for i := range n {
		about := fmt.Sprintf("reg-%d", i)
		name := fmt.Sprintf("%d_%d", round, i)
		session, intent, charge := "cs_"+name, "pi_"+name, "ch_"+name
		for _, e := range []store.Received{
			fact(1, registration.SessionExpired, about, of(session, "", "")),
			fact(2, registration.PaymentProcessing, "", of(session, intent, "")),
			fact(3, registration.IntentSucceeded, "", of("", intent, charge)),
			fact(4, registration.Disputed, "", of("", "", charge)),
		} {
			e.ID = fmt.Sprintf("evt_%03d_%d_%d", round, rand.IntN(1000), len(out)) // in any order
			e.Fact.ID = e.ID
			out = append(out, e)
		}
	}
	return out
}

// Two transactions do not see each other's facts. Each is looked after once it is committed, by itself or with the one
// that follows it, so that the later one sees both.
func TestTwoWorkersLeaveNoFactUnlinked(t *testing.T) {
	t.Parallel()
	const rounds, registrations = 60, 6
	for name, process := range map[string]func(context.Context, *store.Store, []store.Received) error{
		"each batch by itself": func(ctx context.Context, s *store.Store, events []store.Received) error {
			_, err := s.Process(ctx, events)
			return err
		},
		"each batch with the next": func(ctx context.Context, s *store.Store, events []store.Received) error {
			var last *store.Committed
			for batch := range slices.Chunk(events, 3) {
				var err error
				if last, err = s.ProcessAfter(ctx, last, batch); err != nil {
					return err
				}
			}
			_, err := s.CatchUp(ctx, last)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.exec(`INSERT INTO events (id, title) VALUES ('e', 'e')`)
			for i := range registrations {
				f.register("e", fmt.Sprintf("reg-%d", i))
			}
			workers := []*store.Store{f.store, f.open(store.Options{}), f.open(store.Options{})}
			for round := range rounds {
				events := chains(round, registrations)
				rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
				parts := make([][]store.Received, len(workers))
				for i, e := range events {
					parts[i%len(workers)] = append(parts[i%len(workers)], e)
				}
				inParallel(t, len(workers), func(i int) error { return process(context.Background(), workers[i], parts[i]) })
				if left := f.get(`SELECT count(*) FROM stripe_events WHERE outcome = 'waiting'`); left != "0" {
					t.Fatalf("round %d left %s facts unlinked", round, left)
				}
			}
		})
	}
}

// Two batches of which neither saw the other: the one that names the registration was held up, and committed last. What
// either would link is linked with the batch after it, and by itself where that one fails.
func TestWhatWasCommittedBesideABatchIsLinkedWithTheNext(t *testing.T) {
	t.Parallel()
	naming, tied := paidFor(1, "reg-1"), fact(2, registration.IntentSucceeded, "", of("", "pi_reg-1", "ch_1"))
	links := []string{"evt_disputed_3 reg-1", "evt_intent_succeeded_2 reg-1"}
	for name, c := range map[string]struct {
		after, next store.Received
		refused     bool
	}{
		"the batch after the one that names it":      {after: naming, next: paidFor(4, "reg-2")},
		"the batch after the one that is tied to it": {after: tied, next: paidFor(4, "reg-2")},
		"which holds the same fact again":            {after: tied, next: tied},
		"which holds the fact that names it":         {after: tied, next: naming},
		"which holds nothing to settle":              {after: naming, next: ignoredEvent("evt_odd")},
		"by itself after the one that names it":      {naming, paidFor(4, "reg-\x00"), true},
		"by itself after the one that is tied to it": {tied, paidFor(4, "reg-\x00"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 10)
			f.register("e", "reg-1", "reg-2")
			f.process(fact(3, registration.Disputed, "", of("", "", "ch_1"))) // is tied to what is tied
			platform, err := f.db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := platform.Exec(`UPDATE registrations SET name = 'changed' WHERE id = 'reg-1'`); err != nil {
				t.Fatal(err)
			}
			committed := make(chan *store.Committed)
			commit := func(s *store.Store, e store.Received) *store.Committed {
				c, err := s.ProcessAfter(context.Background(), nil, []store.Received{e})
				if err != nil {
					t.Error(err)
				}
				return c
			}
			go func() { committed <- commit(f.open(store.Options{}), naming) }()
			f.untilBlocked()
			before := commit(f.store, tied)
			if err := platform.Commit(); err != nil {
				t.Fatal(err)
			}
			if late := <-committed; c.after.ID == naming.ID {
				before = late
			}
			f.wantLinks("evt_disputed_3 waiting", "evt_intent_succeeded_2 waiting", "evt_paid_1 reg-1")
			var got store.Result
			next, err := f.store.ProcessAfter(t.Context(), before, []store.Received{c.next})
			switch {
			case c.refused && !store.IsDataError(err), !c.refused && err != nil:
				t.Fatalf("got %v", err)
			case c.refused:
				got, err = f.store.CatchUp(t.Context(), before)
			default:
				got = next.Result
			}
			if err != nil {
				t.Fatal(err)
			}
			want := links
			if c.next.Registration == "reg-2" {
				want = append(slices.Clone(links), "evt_paid_4 reg-2")
			}
			if got := linked(got.Links); !slices.Equal(got, want) {
				t.Errorf("linked %q", got)
			}
			f.wantState("reg-1", "FAILED seat ")
		})
	}
}

// A batch that was committed without its answer or its second look is given again, and makes up for it.
func TestABatchGivenAgainLinksWhatAnotherWorkerLeftWaiting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"))
	// What another worker stored at the same time, as both leave it that die before their second look.
	f.process(fact(2, registration.IntentSucceeded, "", of("", "pi_other", "ch_1")), fact(3, registration.Disputed, "", of("", "", "ch_1")))
	f.exec(`UPDATE stripe_events SET intent_id = 'pi_reg-1' WHERE id = 'evt_intent_succeeded_2'`)
	got := f.process(paidFor(1, "reg-1"))
	if len(got.Stored) != 0 || len(got.Links) != 2 {
		t.Errorf("got %+v", got)
	}
	f.wantState("reg-1", "FAILED seat ")
}

// inParallel runs work n times at once.
func inParallel(t testing.TB, n int, work func(i int) error) {
	t.Helper()
	var group errgroup.Group
	start := make(chan struct{})
	for i := range n {
		group.Go(func() error {
			<-start
			return work(i)
		})
	}
	close(start)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}
