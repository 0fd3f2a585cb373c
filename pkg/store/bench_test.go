package store_test

import (
	"fmt"
	"testing"

	"github.com/educareschool/guichet/pkg/store"
)

// BenchmarkProcessOne is what a payment takes that comes alone: mostly round trips to PostgreSQL.
func BenchmarkProcessOne(b *testing.B) {
	f := newFixture(b)
	f.exec(`INSERT INTO events (id, title, capacity) VALUES ('e', 'x', $1)`, b.N)
	f.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-' || n, 'e', 'x' FROM generate_series(0, $1 - 1) n`, b.N)
	b.ResetTimer()
	for n := range b.N {
		if _, err := f.store.Process(b.Context(), []store.Received{paidFor(n, fmt.Sprintf("reg-%d", n))}); err != nil {
			b.Fatal(err)
		}
	}
}
