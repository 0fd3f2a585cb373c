package store_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
	"github.com/educareschool/guichet/pkg/waittest"
)

// TestMain raises rapid's default of 100 checks a property; -rapid.checks and RAPID_CHECKS still decide.
func TestMain(m *testing.M) {
	if os.Getenv("RAPID_CHECKS") == "" {
		if err := flag.Set("rapid.checks", "1000"); err != nil {
			panic(err)
		}
	}
	os.Exit(pgtest.Run(m))
}

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
	f.store = f.open(store.Options{})
	f.db = connect(t, f.url)
	return f
}

func connect(t testing.TB, url string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// open opens another store on the database, as another worker does.
func (f *fixture) open(o store.Options) *store.Store {
	f.t.Helper()
	o.Policy, o.Now = policy, func() time.Time { return f.now }
	s, err := store.Open(f.t.Context(), f.url, o)
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

// register inserts registrations as the platform does; they are made at noon.
func (f *fixture) register(event string, ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		f.exec(`INSERT INTO registrations (id, event_id, email, created_at) VALUES ($1, $2, $1 || '@example.com', $3)`, id, event, noon)
	}
}

func (f *fixture) process(events ...store.Received) store.Result {
	f.t.Helper()
	result, err := f.store.Process(context.Background(), events)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

// processing begins a batch beside the test; what it returns says how that ends.
func (f *fixture) processing(events ...store.Received) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := f.store.Process(context.Background(), events)
		done <- err
	}()
	return done
}

func (f *fixture) sweep() store.Result {
	f.t.Helper()
	result, _, err := f.store.Sweep(context.Background(), 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

// clean does what cleanup does, and returns how many facts the clock made.
func (f *fixture) clean() int {
	f.t.Helper()
	n, err := clean(f.store)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

func clean(s *store.Store) (int, error) {
	overdue, err := s.Overdue(context.Background(), 1000, nil)
	if err != nil {
		return 0, err
	}
	var facts []store.Received
	for _, o := range overdue {
		if o.Fact.ID != "" {
			facts = append(facts, store.Own(o.Registration.ID, o.Fact))
		}
	}
	result, err := s.Process(context.Background(), facts)
	return len(result.Stored), err
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

// list reads a column of text.
func (f *fixture) list(query string, args ...any) []string {
	f.t.Helper()
	out := []string{}
	if err := f.db.Select(&out, query, args...); err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
	return out
}

func (f *fixture) want(want []string, query string, args ...any) {
	f.t.Helper()
	if got := f.list(query, args...); !slices.Equal(got, want) {
		f.t.Errorf("%s\ngot  %q\nwant %q", query, got, want)
	}
}

// wantState compares "STATUS seat|no-seat flags" of a registration.
func (f *fixture) wantState(id, want string) {
	f.t.Helper()
	const query = `
SELECT status || CASE WHEN seat_held THEN ' seat' ELSE ' no-seat' END || ' ' || array_to_string(attention, ',')
FROM registrations
WHERE id = $1`
	if got := f.get(query, id); got != want {
		f.t.Errorf("registration %s is %q, want %q", id, got, want)
	}
}

func (f *fixture) wantRemaining(event string, want int) {
	f.t.Helper()
	if got := f.get(`SELECT remaining FROM event_availability WHERE event_id = $1`, event); got != fmt.Sprint(want) {
		f.t.Errorf("event %s has %s places left, want %d", event, got, want)
	}
	f.wantExactCounts()
}

// wantExactCounts compares every event's count of places with the rows that hold one.
func (f *fixture) wantExactCounts() {
	f.t.Helper()
	for _, wrong := range f.miscounts() {
		f.t.Error(wrong)
	}
}

func (f *fixture) miscounts() []string {
	f.t.Helper()
	return f.list(`
SELECT e.id || ' counts ' || e.seats_held || ', its rows hold ' || count(r.id) || ' of ' || coalesce(e.capacity::text, 'any number')
FROM events e
LEFT JOIN registrations r ON r.event_id = e.id AND r.seat_held
GROUP BY e.id
HAVING e.seats_held <> count(r.id) OR count(r.id) > e.capacity`)
}

// wantLinks compares "event registration" of the stored facts, or "event outcome" where there is none.
func (f *fixture) wantLinks(want ...string) {
	f.t.Helper()
	f.want(want, `SELECT id || ' ' || coalesce(registration_id, outcome) FROM stripe_events ORDER BY id COLLATE "C"`)
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	waittest.Until(t, 30*time.Second, what, waittest.Holds(condition))
}

// untilBlocked waits until some statement of the database waits for a lock.
func (f *fixture) untilBlocked() {
	f.t.Helper()
	eventually(f.t, "a statement waits for a lock", func() bool {
		return f.get(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) != "0"
	})
}

// adjust changes a fact that is being made.
type adjust func(*registration.Fact)

// fact is an event about a registration; the id of the event is kind and number, its time noon and as many seconds.
func fact(n int, kind registration.FactKind, about string, adjustments ...adjust) store.Received {
	f := registration.Fact{
		ID: fmt.Sprintf("evt_%s_%d", kind, n), Kind: kind, Source: registration.FromStripe, Created: noon.Add(time.Duration(n) * time.Second),
	}
	for _, a := range adjustments {
		a(&f)
	}
	return store.Received{
		Event: stripeevent.Event{ID: f.ID, Type: string(kind), Created: f.Created, Registration: about, Fact: &f}, Sequence: 1, ReceivedAt: noon,
	}
}

func of(session, intent, charge string) adjust {
	return func(f *registration.Fact) { f.Session, f.Intent, f.Charge = session, intent, charge }
}

// paidFor is a payment of a registration in a session and an intent named after it.
func paidFor(n int, about string) store.Received {
	return fact(n, registration.Paid, about, of("cs_"+about, "pi_"+about, ""), func(f *registration.Fact) { f.Amount, f.Currency = 2500, "eur" })
}

// canceledFor is the cancellation of the intent of paidFor; without a payment it removes the registration.
func canceledFor(n int, about string) store.Received {
	return fact(n, registration.IntentCanceled, about, of("", "pi_"+about, ""))
}

// failedFor is a decline in the intent of paidFor.
func failedFor(n int, about string) store.Received {
	return fact(n, registration.PaymentFailed, about, of("", "pi_"+about, fmt.Sprintf("ch_%s_%d", about, n)))
}
