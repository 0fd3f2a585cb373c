package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// Two transactions do not see each other's facts. Each looks again after its commit, so that the later one sees both.
func TestTwoWorkersLeaveNoFactUnlinked(t *testing.T) {
	t.Parallel()
	const rounds, registrations = 60, 6
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
		inParallel(t, len(workers), func(i int) error {
			_, err := workers[i].Process(context.Background(), parts[i])
			return err
		})
		if left := f.get(`SELECT count(*) FROM stripe_events WHERE outcome = 'waiting'`); left != "0" {
			t.Fatalf("round %d left %s facts unlinked", round, left)
		}
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
