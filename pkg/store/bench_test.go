package store_test

import (
	"fmt"
	"testing"

	"github.com/educareschool/guichet/pkg/store"
)

// BenchmarkProcessOne is what a payment takes that comes alone: mostly round trips to PostgreSQL.
func BenchmarkProcessOne(b *testing.B) {
	benchmarkPayments(b, func(s *store.Store, payment store.Received) error {
		_, err := s.Process(b.Context(), []store.Received{payment})
		return err
	})
}

// BenchmarkProcessOneAfterAnother is what it takes where the next payment's transaction looks after the one before it.
func BenchmarkProcessOneAfterAnother(b *testing.B) {
	var last *store.Committed
	benchmarkPayments(b, func(s *store.Store, payment store.Received) (err error) {
		last, err = s.ProcessAfter(b.Context(), last, []store.Received{payment})
		return err
	})
}

func benchmarkPayments(b *testing.B, settle func(*store.Store, store.Received) error) {
	f := newFixture(b)
	f.exec(`INSERT INTO events (id, title, capacity) VALUES ('e', 'x', $1)`, b.N)
	f.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-' || n, 'e', 'x' FROM generate_series(0, $1 - 1) n`, b.N)
	b.ResetTimer()
	for n := range b.N {
		if err := settle(f.store, paidFor(n, fmt.Sprintf("reg-%d", n))); err != nil {
			b.Fatal(err)
		}
	}
}
