package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// A thousand registrations live through two days and nights across a change to daylight-saving time, and then
// a month passes: whatever the clock did is what the pure core says, hour by hour.
func TestAThousandRegistrationsLiveThroughAChangeOfClocks(t *testing.T) {
	t.Parallel()
	const count = 1000
	random := rand.New(rand.NewPCG(someSeed(t), 3)) // #nosec G404 -- a test
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	begin := time.Date(2026, 3, 28, 6, 0, 0, 0, paris) // at 2 h on the 29th it is 3 h
	f.now = begin
	f.event("e", count)
	f.exec(`INSERT INTO registrations (id, event_id, email, created_at, checkout_session_id, checkout_created_at, checkout_expires_at)
		SELECT 'reg-' || n, 'e', n || '@example.com', $1::timestamptz, 'cs_reg-' || n, $1::timestamptz, $1::timestamptz + (n % 48 + 1) * interval '30 min'
		FROM generate_series(1, $2::int) n WHERE n % 7 <> 0`, begin, count)
	f.exec(`INSERT INTO registrations (id, event_id, email, created_at)
		SELECT 'reg-' || n, 'e', n || '@example.com', $1::timestamptz FROM generate_series(1, $2::int) n WHERE n % 7 = 0`, begin, count)
	f.settleAll()
	n := 0
	for hour := range 60 {
		f.now = begin.Add(time.Duration(hour) * time.Hour)
		var events []store.Received
		for range 40 {
			n++
			about := fmt.Sprintf("reg-%d", 1+random.IntN(count))
			kind := []registration.FactKind{registration.PaymentFailed, registration.PaymentFailed, registration.ActionRequired, registration.Paid, registration.IntentCanceled}[random.IntN(5)]
			created := f.now.Add(-time.Duration(random.IntN(6*3600)) * time.Second) // late, by up to six hours
			events = append(events, fact(n, kind, about, of(map[bool]string{true: "cs_" + about}[kind == registration.Paid], "pi_"+about, ""),
				func(f *registration.Fact) { f.Created, f.Amount = created, 2500 }))
		}
		f.process(events...)
		f.clean()
		if hour%10 == 0 {
			f.wantAsTheCoreSays()
		}
		if left := f.get(`SELECT count(*) FROM registrations WHERE deadline <= $1`, f.now); left != "0" {
			t.Fatalf("hour %d: %s deadlines have passed and nothing came of them", hour, left)
		}
		if wrong := f.get(`SELECT count(*) FROM registrations WHERE deadline IS NULL AND status = 'PENDING'`); wrong != "0" {
			t.Fatalf("hour %d: %s wait for ever", hour, wrong)
		}
	}
	f.wantExactCounts()
	if early := f.get(`SELECT count(*) FROM stripe_events WHERE source = 'clock' AND stored_at < created`); early != "0" {
		t.Errorf("%s facts of the clock were stored before their time", early)
	}
	for what, query := range map[string]string{
		"was released by its hold": `SELECT count(*) FROM registrations WHERE status = 'FAILED' AND NOT seat_held`,
		"expired by the clock":     `SELECT count(*) FROM registrations WHERE status = 'EXPIRED'`,
		"was restored":             `SELECT count(*) FROM registration_history WHERE from_status IN ('EXPIRED', 'CANCELED') AND to_status = 'PAID' AND seat_held`,
	} {
		if f.get(query) == "0" {
			t.Errorf("nobody %s: this was no life", what)
		}
	}
	if open := f.get(`SELECT count(*) FROM registrations WHERE status = 'PENDING'`); open != "0" {
		t.Errorf("%s registrations are still pending after %s", open, f.now.Sub(begin))
	}

	retention := 30 * 24 * time.Hour
	f.now = f.now.Add(retention - time.Second)
	removed := f.get(`SELECT count(*) FROM registrations WHERE removed_at IS NOT NULL`)
	f.now = f.now.Add(time.Second)
	blanked := int64(0)
	for {
		n, err := f.store.Blank(t.Context(), retention, 200)
		if err != nil {
			t.Fatal(err)
		}
		if blanked += n; n == 0 {
			break
		}
	}
	if fmt.Sprint(blanked) != removed || f.get(`SELECT count(*) FROM registrations WHERE email = ''`) != removed || removed == "0" {
		t.Errorf("%d rows were blanked, %s had been removed", blanked, removed)
	}
	f.wantAsTheCoreSays()
}

// wantAsTheCoreSays holds every registration against its facts.
func (f *fixture) wantAsTheCoreSays() {
	f.t.Helper()
	if problems := f.problems(); len(problems) > 0 {
		f.t.Fatalf("at %s: %s", f.now, problems[0])
	}
}
