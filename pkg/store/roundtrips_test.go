package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func TestABatchTakesFewRoundTrips(t *testing.T) {
	t.Parallel()
	const registrations, facts = 250, 500
	f := newFixture(t)
	f.exec(`INSERT INTO events (id, title) SELECT 'e' || n, 'x' FROM generate_series(0, 9) n`)
	f.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-' || n, 'e' || n % 10, 'x' FROM generate_series(0, $1 - 1) n`, registrations)
	batch := func(round int) []store.Received {
		var out []store.Received
		for i := range facts {
			about := fmt.Sprintf("reg-%d", i%registrations)
			switch i % 3 {
			case 0:
				out = append(out, canceledFor(round*facts+i, about))
			case 1:
				out = append(out, paidFor(round*facts+i, about))
			default:
				out = append(out, fact(round*facts+i, registration.IntentSucceeded, "", of("", "pi_"+about, "ch_"+about)))
			}
		}
		return out
	}
	var trips atomic.Int64
	var answered atomic.Bool
	s := f.through(proxy{
		asked: func([]byte) verdict {
			if answered.Swap(false) {
				trips.Add(1)
			}
			return pass
		},
		answered: func() { answered.Store(true) },
	})
	if _, err := s.Process(t.Context(), batch(0)); err != nil { // prepares what is not yet
		t.Fatal(err)
	}
	before := trips.Load()
	result, err := s.Process(t.Context(), batch(1))
	if err != nil || len(result.Stored) != facts {
		t.Fatalf("%d stored, %v", len(result.Stored), err)
	}
	if n := trips.Load() - before; n < 5 || n > 8 {
		t.Errorf("%d round trips for %d events", n, facts)
	}
}
