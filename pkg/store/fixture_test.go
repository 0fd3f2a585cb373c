package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// noon is when the tests' payments happen.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

var policy = registration.Policy{FailedHold: 24 * time.Hour, PendingHold: 24 * time.Hour, ExpiryGrace: time.Hour}

// fixture is a migrated database with a store on it.
type fixture struct {
	t     testing.TB
	url   string
	store *store.Store
	db    *sqlx.DB // as the platform sees it
	now   time.Time
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, url: pgtest.Database(t), now: noon}
	if _, _, err := store.Migrate(t.Context(), f.url); err != nil {
		t.Fatal(err)
	}
	f.store = f.open()
	db, err := sqlx.Open("postgres", f.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f.db = db
	return f
}

func (f *fixture) open() *store.Store {
	f.t.Helper()
	s, err := store.Open(f.t.Context(), f.url, store.Options{Policy: policy, Now: func() time.Time { return f.now }})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (f *fixture) exec(query string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Exec(query, args...); err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
}

func (f *fixture) event(id string, capacity int) {
	f.t.Helper()
	f.exec(`INSERT INTO events (id, title, capacity) VALUES ($1, $1, $2)`, id, capacity)
}

func (f *fixture) register(id, event string) {
	f.t.Helper()
	f.exec(`INSERT INTO registrations (id, event_id, email) VALUES ($1, $2, $1 || '@example.com')`, id, event)
}

func (f *fixture) process(events ...store.Received) store.Result {
	f.t.Helper()
	result, err := f.store.Process(context.Background(), events)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

func (f *fixture) sweep() store.Result {
	f.t.Helper()
	result, _, err := f.store.Sweep(context.Background(), 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

// get reads one value as text; NULL is "".
func (f *fixture) get(query string, args ...any) string {
	f.t.Helper()
	var out sql.NullString
	if err := f.db.Get(&out, query, args...); err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
	return out.String
}

// wantState compares "STATUS seat|no-seat flags" of a registration.
func (f *fixture) wantState(id, want string) {
	f.t.Helper()
	got := f.get(`SELECT status || CASE WHEN seat_held THEN ' seat' ELSE ' no-seat' END || ' ' || array_to_string(attention, ',') FROM registrations WHERE id = $1`, id)
	if got != want {
		f.t.Errorf("registration %s is %q, want %q", id, got, want)
	}
}

func (f *fixture) wantRemaining(event string, want int) {
	f.t.Helper()
	if got := f.get(`SELECT remaining FROM event_availability WHERE event_id = $1`, event); got != fmt.Sprint(want) {
		f.t.Errorf("event %s has %s places left, want %d", event, got, want)
	}
	held := f.get(`SELECT count(*) FROM registrations WHERE event_id = $1 AND seat_held`, event)
	if counted := f.get(`SELECT held FROM event_availability WHERE event_id = $1`, event); held != counted {
		f.t.Errorf("event %s counts %s held places, its rows hold %s", event, counted, held)
	}
}

// fact is an event about a registration; the id of the event is kind and number.
func fact(n int, kind registration.FactKind, about string, adjust ...func(*registration.Fact)) store.Received {
	f := registration.Fact{
		ID: fmt.Sprintf("evt_%s_%d", kind, n), Kind: kind, Source: registration.FromStripe, Created: noon.Add(time.Duration(n) * time.Second),
	}
	for _, a := range adjust {
		a(&f)
	}
	return store.Received{Event: stripeevent.Event{ID: f.ID, Type: string(kind), Created: f.Created, Registration: about, Fact: &f}}
}

func of(session, intent, charge string) func(*registration.Fact) {
	return func(f *registration.Fact) { f.Session, f.Intent, f.Charge = session, intent, charge }
}

func paidFor(n int, about string) store.Received {
	return fact(n, registration.Paid, about, of("cs_"+about, "pi_"+about, ""), func(f *registration.Fact) { f.Amount, f.Currency = 2500, "eur" })
}

func TestAPaymentConfirmsARegistrationOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 2)
	f.register("reg-1", "e")
	if got := f.process(paidFor(1, "reg-1")); len(got.Changes) != 1 || len(got.Links) != 1 {
		t.Fatalf("got %+v", got)
	}
	f.wantState("reg-1", "PAID seat ")
	f.wantRemaining("e", 1)
	again := f.process(paidFor(1, "reg-1"), paidFor(1, "reg-1"))
	if len(again.Stored)+len(again.Links)+len(again.Changes) != 0 {
		t.Errorf("a redelivery did something: %+v", again)
	}
	if n := f.get(`SELECT count(*) FROM notifications`); n != "1" {
		t.Errorf("%s mails, want 1", n)
	}
	if n := f.get(`SELECT count(*) FROM registration_history`); n != "1" {
		t.Errorf("%s history rows, want 1", n)
	}
}

func TestAFactWaitsForItsRegistration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 2)
	dispute := fact(2, registration.Disputed, "", of("", "", "ch_1"), func(f *registration.Fact) { f.Dispute = "dp_1" })
	succeeded := fact(1, registration.IntentSucceeded, "", of("", "pi_reg-1", "ch_1"))
	if got := f.process(dispute, succeeded, paidFor(0, "reg-1")); len(got.Waiting) != 3 {
		t.Fatalf("waiting: %+v", got.Waiting)
	}
	f.register("reg-1", "e")
	if got := f.sweep(); len(got.Links) != 3 {
		t.Fatalf("linked: %+v", got.Links)
	}
	f.wantState("reg-1", "FAILED seat ")
	if cause := f.get(`SELECT cause FROM registrations`); cause != "dispute" {
		t.Errorf("cause %q", cause)
	}
}

func TestAFullEventRefusesARegistration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 1)
	f.register("reg-1", "e")
	_, err := f.db.Exec(`INSERT INTO registrations (id, event_id, email) VALUES ('reg-2', 'e', 'x@example.com')`)
	if err == nil || err.Error() != "pq: event e is full (23514)" && err.Error() != "pq: event e is full" {
		t.Errorf("got %v", err)
	}
	f.wantRemaining("e", 0)
	f.exec(`DELETE FROM registrations WHERE id = 'reg-1'`)
	f.wantRemaining("e", 1)
	f.register("reg-2", "e")
	f.wantRemaining("e", 0)
}

func TestAFreedPlaceGoesToTheOldestPaymentWithoutOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 3)
	for i := range 3 {
		f.register(fmt.Sprintf("reg-%d", i), "e")
	}
	canceled := func(n int, about string) store.Received {
		return fact(n, registration.IntentCanceled, about, of("", "pi_"+about, ""))
	}
	f.process(canceled(0, "reg-0"), canceled(1, "reg-1"))
	f.wantRemaining("e", 2)
	f.register("reg-3", "e")
	f.register("reg-4", "e")
	f.process(paidFor(20, "reg-0"), paidFor(10, "reg-1"))
	f.wantState("reg-0", "PAID no-seat paid_without_seat")
	f.wantState("reg-1", "PAID no-seat paid_without_seat")
	f.exec(`DELETE FROM registrations WHERE id = 'reg-3'`)
	f.wantState("reg-1", "PAID seat ")
	f.wantState("reg-0", "PAID no-seat paid_without_seat")
	f.process(canceled(30, "reg-4"))
	f.wantState("reg-0", "PAID seat ")
	f.wantRemaining("e", 0)
	f.sweep()
	f.wantState("reg-0", "PAID seat ")
}
