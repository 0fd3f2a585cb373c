package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/store"
)

// Several workers get shuffled events, some twice, sweep, clean up and send mails, while several connections of
// the platform insert, delete and move rows and change sessions and capacities.
func TestAStorm(t *testing.T) {
	t.Parallel()
	const workers, platforms, rounds, batches, statements = 3, 2, 4, 12, 40
	f := newFixture(t)
	stores := []*store.Store{f.store}
	for len(stores) < workers {
		stores = append(stores, f.open(store.Options{}))
	}
	for range rounds {
		seed := someSeed(t)
		f.exec(resetWorld)
		f.now = noon.Add(26 * time.Hour)
		var group errgroup.Group
		for w, events := range share(seed, workers, batches) {
			group.Go(func() error { return work(stores[w], events, seed, uint64(w)) })
		}
		for p := range platforms {
			group.Go(func() error {
				pick := randomly(seed, uint64(100+p))
				for range statements {
					statement, args := somePlatformStatement(pick)
					if err := f.platform(statement, args); !platformMayFail(err) {
						return fmt.Errorf("the platform: %s: %w", statement, err)
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		f.settleAll()
		for _, problem := range f.problems() {
			t.Error(problem)
		}
		if t.Failed() {
			return
		}
	}
}

// share deals events out, each to one worker or to two.
func share(seed uint64, workers, batches int) [][]store.Received {
	pick := randomly(seed, 0)
	out := make([][]store.Received, workers)
	for n := range workers * batches * 5 {
		e := someFact(n, pick)
		for range 1 + pick(2) {
			w := pick(workers)
			out[w] = append(out[w], e)
		}
	}
	return out
}

func work(s *store.Store, events []store.Received, seed, stream uint64) error {
	pick := randomly(seed, stream+1)
	ctx := context.Background()
	for batch := range slices.Chunk(events, 8) {
		if _, err := s.Process(ctx, batch); err != nil {
			return fmt.Errorf("process: %w", err)
		}
		switch pick(5) {
		case 0:
			if _, _, err := s.Sweep(ctx, 3); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		case 1:
			if _, err := clean(s); err != nil {
				return fmt.Errorf("clean: %w", err)
			}
		case 2:
			if err := s.MarkSeatable(ctx); err != nil {
				return fmt.Errorf("seat: %w", err)
			}
		case 3:
			claimed, err := s.ClaimMails(ctx, 5, time.Minute)
			if err != nil {
				return fmt.Errorf("claim: %w", err)
			}
			for _, n := range claimed {
				status := store.MailSent
				if n.Wanted == nil {
					status = store.MailDropped
				}
				if err := s.FinishMail(ctx, n.ID, status, "", time.Time{}); err != nil {
					return fmt.Errorf("finish: %w", err)
				}
			}
		}
	}
	return nil
}

// One event, many registrations of it, and everybody at once: the hot case.
func TestAStormOnOneEvent(t *testing.T) {
	t.Parallel()
	const workers, registrations, places = 3, 60, 20
	f := newFixture(t)
	f.event("e", registrations)
	var events []store.Received
	for i := range registrations {
		id := fmt.Sprint("reg-", i)
		f.register("e", id)
		f.process(canceledFor(i, id))
		events = append(events, paidFor(1000+i, id), canceledFor(2000+i, id), failedFor(3000+i, id))
	}
	f.exec(`UPDATE events SET capacity = $1`, places)
	f.settleAll()
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	stores := []*store.Store{f.store, f.open(store.Options{}), f.open(store.Options{})}
	var mu sync.Mutex
	refused := 0
	inParallel(t, workers+1, func(i int) error {
		if i < workers {
			for n := i; n < len(events); n += workers {
				if _, err := stores[i].Process(context.Background(), events[n:n+1]); err != nil {
					return err
				}
			}
			return nil
		}
		for n := range 30 {
			_, err := f.db.Exec(`INSERT INTO registrations (id, event_id, email) VALUES ($1, 'e', 'x')`, fmt.Sprint("quick-", n))
			if !platformMayFail(err) {
				return err
			}
			mu.Lock()
			if err != nil {
				refused++
			}
			mu.Unlock()
		}
		return nil
	})
	f.settleAll()
	for _, problem := range f.problems() {
		t.Error(problem)
	}
	f.wantRemaining("e", 0)
	f.want([]string{fmt.Sprint(registrations)}, `SELECT count(*) FROM registrations WHERE status = 'PAID'`)
	t.Logf("the platform was refused %d of 30 places", refused)
}
