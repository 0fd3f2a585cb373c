package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func TestBench(t *testing.T) {
	f := newFixture(t)
	const regs = 10000
	f.exec(`INSERT INTO events (id, title, capacity) SELECT 'e'||n, 'x', 400 FROM generate_series(0,49) n`)
	f.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-'||n, 'e'||n%50, 'x' FROM generate_series(0,$1-1) n`, regs)
	var events []store.Received
	for i := range regs {
		about := fmt.Sprint("reg-", i)
		s, p, c := "cs_"+about, "pi_"+about, "ch_"+about
		a := []store.Received{
			fact(i, registration.PaymentFailed, "", of("", p, c)),
			fact(i, registration.Paid, about, of(s, p, "")),
			fact(i, registration.IntentSucceeded, "", of("", p, c)),
			fact(i, registration.SessionExpired, about, of("cs2_"+about, "", "")),
			fact(i, registration.IntentCanceled, about, of("", "pi2_"+about, "")),
		}
		events = append(events, a...)
	}
	for _, sweep := range []bool{false} {
		start := time.Now()
		for b := range slices.Chunk(events, 1024) {
			f.process(b...)
		}
		d := time.Since(start)
		t.Logf("sweep %v: %d events in %v: %.0f/s", sweep, len(events), d, float64(len(events))/d.Seconds())
	}
	start := time.Now()
	n := 0
	for f.get(`SELECT count(*) FROM registrations WHERE due_at IS NOT NULL`) != "0" && n < 100 {
		f.store.Sweep(t.Context(), 500)
		n++
	}
	t.Logf("%d sweeps in %v", n, time.Since(start))
}
