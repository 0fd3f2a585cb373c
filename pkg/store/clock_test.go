package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// Stripe tries for three days to deliver, and meanwhile the clock releases places and removes registrations. Here each
// event arrives up to 72 hours after what it tells of, most of them twice, across the nights in which clocks change,
// on a machine whose own clock jumps: in the end everybody who paid is PAID, and everything is as the facts say.
func TestThreeDaysOfRetriesWhileTheClockReleasesPlaces(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]time.Time{
		"the clocks go forward": time.Date(2026, 3, 27, 20, 0, 0, 0, paris(t)),  // at 2 h on the 29th it is 3 h
		"the clocks go back":    time.Date(2026, 10, 23, 20, 0, 0, 0, paris(t)), // at 3 h on the 25th it is 2 h
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			threeDaysOfRetries(t, begin)
		})
	}
}

func paris(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// delivery is an event and when it arrives.
type delivery struct {
	at    time.Time
	event store.Received
}

func threeDaysOfRetries(t *testing.T, begin time.Time) {
	const count = 300
	random := rand.New(rand.NewPCG(someSeed(t), 4))
	f := newFixture(t)
	f.now = begin
	f.event("e", count)
	f.exec(`INSERT INTO registrations (id, event_id, email, created_at, checkout_session_id, checkout_created_at, checkout_expires_at)
		SELECT 'reg-' || n, 'e', n || '@example.com', $1::timestamptz, 'cs_reg-' || n, $1::timestamptz, $1::timestamptz + interval '24 hours'
		FROM generate_series(1, $2::int) n`, begin, count)
	f.settleAll()
	deliveries, paid := retries(random, begin, count)
	for next := 0; next < len(deliveries) || f.now.Before(begin.Add(6*24*time.Hour)); {
		f.now = f.now.Add(time.Hour)
		if random.IntN(12) == 0 { // the machine slept, or was set right
			f.now = f.now.Add(time.Duration(random.IntN(6)-1) * time.Hour)
		}
		var events []store.Received
		for ; next < len(deliveries) && !deliveries[next].at.After(f.now); next++ {
			events = append(events, deliveries[next].event)
		}
		f.process(events...)
		f.clean()
		f.sweep()
	}
	f.wantAsTheCoreSays()
	f.wantExactCounts()
	for id := range paid {
		f.wantState(id, "PAID seat ")
	}
	if released := f.get(`SELECT count(*) FROM stripe_events WHERE source = 'clock'`); released == "0" {
		t.Error("the clock did nothing")
	}
	if waits := f.get(`SELECT count(*) FROM registrations WHERE status IN ('PENDING', 'FAILED') AND seat_held`); waits != "0" {
		t.Errorf("%s places are still held for nobody's payment", waits)
	}
	f.blankEverythingRemoved(30 * 24 * time.Hour)
}

// retries are what happens to registrations in a day, each delivered up to three days later and most of it twice, in
// the order of the deliveries; and who has paid.
func retries(random *rand.Rand, begin time.Time, count int) ([]delivery, map[string]bool) {
	var out []delivery
	paid := map[string]bool{}
	n := 0
	say := func(kind registration.FactKind, about string, at time.Time, adjust adjust) {
		n++
		e := fact(n, kind, about, adjust, func(f *registration.Fact) { f.Created = at.Truncate(time.Second) })
		for range 1 + random.IntN(3) {
			out = append(out, delivery{at.Add(time.Duration(random.Int64N(int64(72 * time.Hour)))), e})
		}
	}
	for i := range count {
		id := fmt.Sprintf("reg-%d", i+1)
		at := begin.Add(time.Duration(random.IntN(24*3600)) * time.Second)
		session, intent := of("cs_"+id, "pi_"+id, ""), of("", "pi_"+id, "ch_"+id)
		switch random.IntN(5) {
		case 0:
			say(registration.PaymentFailed, id, at, intent)
		case 1:
			say(registration.PaymentFailed, id, at, intent)
			say(registration.Paid, id, at.Add(time.Hour), session)
			paid[id] = true
		case 2:
			say(registration.Paid, id, at, session)
			paid[id] = true
		case 3:
			say(registration.ActionRequired, id, at, intent)
			say(registration.SessionExpired, id, begin.Add(24*time.Hour), session)
		default: // nothing is ever heard of it
		}
	}
	slices.SortStableFunc(out, func(a, b delivery) int { return a.at.Compare(b.at) })
	return out, paid
}

// blankEverythingRemoved lets the retention pass since the last removal, and wants the personal data of all that was
// removed gone, not before and not more.
func (f *fixture) blankEverythingRemoved(retention time.Duration) {
	f.t.Helper()
	removed := f.get(`SELECT count(*) FROM registrations WHERE removed_at IS NOT NULL`)
	blank := func() (blanked int64) {
		for {
			n, err := f.store.Blank(f.t.Context(), retention, 200)
			if err != nil {
				f.t.Fatal(err)
			}
			if blanked += n; n == 0 {
				return blanked
			}
		}
	}
	var first time.Time
	if err := f.db.Get(&first, `SELECT min(removed_at) FROM registrations`); err != nil {
		f.t.Fatal(err)
	}
	f.now = first.Add(retention - time.Second)
	if n := blank(); n != 0 {
		f.t.Errorf("%d rows were blanked before their time", n)
	}
	if err := f.db.Get(&f.now, `SELECT max(removed_at) FROM registrations`); err != nil {
		f.t.Fatal(err)
	}
	f.now = f.now.Add(retention)
	if n := blank(); fmt.Sprint(n) != removed || removed == "0" {
		f.t.Errorf("%d rows were blanked, %s had been removed", n, removed)
	}
	f.wantAsTheCoreSays()
}
