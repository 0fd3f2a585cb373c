package replay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// hall is a database with a store on it whose mails are off.
type hall struct {
	t     testing.TB
	url   string
	db    *sqlx.DB
	store *store.Store
}

func newHall(t testing.TB) *hall {
	t.Helper()
	h := &hall{t: t, url: pgtest.Database(t)}
	if _, _, err := store.Migrate(t.Context(), h.url); err != nil {
		t.Fatal(err)
	}
	h.db = sqlx.MustConnect("postgres", h.url)
	t.Cleanup(func() { _ = h.db.Close() })
	h.store = h.open()
	return h
}

func (h *hall) open() *store.Store {
	h.t.Helper()
	policy := registration.Policy{FailedHold: 24 * time.Hour, PendingHold: 24 * time.Hour, ExpiryGrace: time.Hour}
	s, err := store.Open(h.t.Context(), h.url, store.Options{Policy: policy, MailsOff: true, Now: func() time.Time { return noon }})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	return s
}

// sell makes an event with so many places and registrations that hold none, by whose payments they get one.
func (h *hall) sell(event string, places int, registrations ...string) {
	h.t.Helper()
	h.db.MustExec(`INSERT INTO events (id, title, capacity) VALUES ($1, $1, $2)`, event, places)
	for _, id := range registrations {
		h.db.MustExec(`
INSERT INTO registrations (id, event_id, email, created_at, status, seat_wished, seat_held) VALUES ($1, $2, 'x@example.org', $3, 'EXPIRED', false, false)`, id, event, noon)
	}
}

func (h *hall) get(query string) string {
	h.t.Helper()
	var out string
	if err := h.db.Get(&out, `SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (`+query+`) l (line)`); err != nil {
		h.t.Fatal(err)
	}
	return out
}

// state is all that settling makes.
func (h *hall) state() string {
	h.t.Helper()
	return h.get(`
SELECT concat_ws(' ', r.id, r.status, r.cause, r.seat_wished, r.seat_held, r.attention, r.paid_at, r.deadline) FROM registrations r
UNION ALL
SELECT concat_ws(' ', f.id, f.outcome, f.registration_id) FROM stripe_events f
UNION ALL
SELECT concat_ws(' ', n.registration_id, n.fact_id, n.kind, n.slot, n.status) FROM notifications n
UNION ALL
SELECT concat_ws(' ', a.registration_id, a.fact_id, a.flag, a.object, a.cleared_at IS NULL) FROM attention a
UNION ALL
SELECT concat_ws(' ', e.id, e.seats_held) FROM events e
UNION ALL
SELECT concat_ws(' ', h.registration_id, row_number() OVER (PARTITION BY h.registration_id ORDER BY h.id), to_jsonb(h) - 'id' - 'at') FROM registration_history h`)
}

// run has batches stored and settled by a queue.
func (h *hall) run(batches [][]store.Received) (stored int, refused []string, err error) {
	q := newQueue(h.store, func(id string, _ error) { refused = append(refused, id) })
	for _, events := range batches {
		if err := q.add(h.t.Context(), events, nil); err != nil {
			return q.stored, refused, errors.Join(err, q.end())
		}
	}
	return q.stored, refused, q.end()
}

func event(id, about string, f registration.Fact) store.Received {
	f.ID, f.Source, f.Created = id, registration.FromStripe, noon
	return store.Received{Event: stripeevent.Event{ID: id, Type: string(f.Kind), Created: noon, Registration: about, Fact: &f}, ReceivedAt: noon}
}

func payment(id, about string) store.Received {
	return event(id, about, registration.Fact{Kind: registration.Paid, Session: "cs_" + about, Intent: "pi_" + about, Amount: 2500, Currency: "eur"})
}

// purchases are the events of registrations that pay, of which one alone names its registration; some are disputed.
func purchases(round int, registrations []string) []store.Received {
	var out []store.Received
	for i, about := range registrations {
		name := fmt.Sprintf("%d_%d", round, i)
		session, intent, charge := "cs_"+name, "pi_"+name, "ch_"+name
		out = append(out,
			event("evt_failed_"+name, about, registration.Fact{Kind: registration.PaymentFailed, Session: session}),
			event("evt_paid_"+name, "", registration.Fact{Kind: registration.Paid, Session: session, Intent: intent, Amount: 2500, Currency: "eur"}),
			event("evt_succeeded_"+name, "", registration.Fact{Kind: registration.IntentSucceeded, Intent: intent, Charge: charge}),
		)
		if i%3 == 0 {
			out = append(out, event("evt_disputed_"+name, "", registration.Fact{Kind: registration.Disputed, Charge: charge, Dispute: "dp_" + name}))
		}
	}
	return out
}

// slow has an event's transaction take a while before it is committed.
func (h *hall) slow(id string) {
	h.t.Helper()
	h.db.MustExec(`CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.08); RETURN NULL; END $$`)
	h.db.MustExec(`CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON stripe_events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = '` + id + `') EXECUTE FUNCTION dawdle()`)
}

// Two registrations name one session: whose a third event is, is decided by what came first.
func TestAQueueLinksContradictingFactsAsIfOneCameAfterTheOther(t *testing.T) {
	t.Parallel()
	for _, names := range [][2]string{{"reg-1", "reg-2"}, {"reg-2", "reg-1"}} {
		h := newHall(t)
		h.sell("e", 5, names[:]...)
		h.slow("evt_z")
		expired := registration.Fact{Kind: registration.SessionExpired, Session: "cs_1"}
		stored, refused, err := h.run([][]store.Received{
			{event("evt_z", names[0], expired)},
			{event("evt_x", names[1], expired), event("evt_y", "", registration.Fact{Kind: registration.Paid, Session: "cs_1", Amount: 2500, Currency: "eur"})},
		})
		if err != nil || stored != 3 || refused != nil {
			t.Errorf("%d stored, %q refused, %v", stored, refused, err)
		}
		if got := h.get(`SELECT id FROM registrations WHERE status = 'PAID'`); got != names[0] {
			t.Errorf("%q is paid, want %s", got, names[0])
		}
	}
}

// Places are few, batches small, and whose an event is often only the batch before tells.
func TestAQueueMakesWhatOneBatchAfterTheOtherMakes(t *testing.T) {
	t.Parallel()
	const rounds, size = 25, 4
	queued, serial := newHall(t), newHall(t)
	random := rand.New(rand.NewPCG(3, 4)) // #nosec G404 -- a test's order
	for round := range rounds {
		var registrations []string
		for i := range 8 {
			registrations = append(registrations, fmt.Sprintf("reg-%d-%d", round, i))
		}
		for _, h := range []*hall{queued, serial} {
			h.sell(fmt.Sprint("event-", round), 3, registrations...)
		}
		events := purchases(round, registrations)
		ignored := store.Received{Event: stripeevent.Event{ID: fmt.Sprint("evt_ignored_", round), Type: "x", Ignored: "type not handled"}, ReceivedAt: noon}
		other := registration.Fact{Kind: registration.SessionExpired, Session: fmt.Sprintf("cs_%d_0", round)} // of another's session
		events = append(events, event(fmt.Sprint("evt_other_", round), registrations[1], other), ignored, payment(fmt.Sprint("evt_nobody_", round), "nobody"))
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		events = append(events, events[random.IntN(len(events))])
		batches := slices.Collect(slices.Chunk(events, size))
		batches = slices.Insert(batches, 2, batches[1], nil) // one that comes again, and an empty one
		if stored, refused, err := queued.run(batches); err != nil || stored != len(events)-1 || refused != nil {
			t.Fatalf("%d stored, %q refused, %v", stored, refused, err)
		}
		for _, batch := range batches {
			if _, err := serial.store.Process(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := queued.state(), serial.state(); got != want {
		g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
		got := slices.DeleteFunc(slices.Clone(g), func(line string) bool { return slices.Contains(w, line) })
		want := slices.DeleteFunc(slices.Clone(w), func(line string) bool { return slices.Contains(g, line) })
		t.Errorf("it makes\n%s\ninstead of\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// untilNoneWaits waits until no batch that is stored waits for its turn.
func (h *hall) untilNoneWaits() {
	const query = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction' AND query LIKE '%INSERT INTO stripe_events%'`
	waiting := 1
	for tries := 0; waiting > 0 && tries < 1000; tries++ {
		if err := h.db.Get(&waiting, query); err != nil {
			h.t.Error(err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	if waiting > 0 {
		h.t.Error("a batch keeps waiting, and may hold up another's second try")
	}
}

// The batch behind is stored already when the one before has to be tried again.
func TestAQueueKeepsItsOrderWhereATryFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   func(h *hall) (mend func())
		refused int
	}{
		"PostgreSQL refuses an event": {func(h *hall) func() {
			h.db.MustExec(`ALTER TABLE registrations ADD CHECK (NOT (id = 'reg-refused' AND status = 'PAID'))`)
			return func() {}
		}, 1},
		"the platform holds a row for longer than is waited": {func(h *hall) func() {
			tx := h.db.MustBegin()
			if _, err := tx.Exec(`SELECT FROM registrations WHERE id = 'reg-refused' FOR UPDATE`); err != nil {
				h.t.Fatal(err)
			}
			return func() {
				h.untilNoneWaits()
				_ = tx.Rollback()
			}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHall(t)
			h.sell("one", 1, "reg-first", "reg-last")
			h.sell("e", 5, "reg-refused")
			mend := c.fault(h)
			var refused []string
			q := newQueue(h.store, func(id string, _ error) { refused = append(refused, id) })
			if err := q.add(t.Context(), []store.Received{payment("evt_1", "reg-first"), payment("evt_2", "reg-refused")}, nil); err != nil {
				t.Fatal(err)
			}
			first := q.last
			go func() {
				<-first.failed
				mend()
			}()
			for _, events := range [][]store.Received{{payment("evt_3", "reg-last")}, {payment("evt_4", "reg-4")}} {
				if err := q.add(t.Context(), events, nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := q.end(); err != nil || q.stored != 4-c.refused || len(refused) != c.refused {
				t.Errorf("%d stored, %q refused, %v", q.stored, refused, err)
			}
			if got := h.get(`SELECT id FROM registrations WHERE event_id = 'one' AND seat_held`); got != "reg-first" {
				t.Errorf("the place is %q's", got)
			}
		})
	}
}

func TestAQueueEndsAtItsFirstError(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	q := newQueue(h.store, func(id string, err error) { t.Errorf("%s: %v", id, err) })
	add := func(id string) error { return q.add(t.Context(), []store.Received{payment(id, id)}, nil) }
	if err := errors.Join(add("evt_1"), q.end(), h.store.Close(), add("evt_2")); err != nil {
		t.Error(err)
	}
	failed := q.end()
	if err := add("evt_3"); failed == nil || !errors.Is(err, failed) || !errors.Is(q.end(), failed) {
		t.Errorf("the second ends with %v, the third with %v, all with %v", failed, err, q.end())
	}
	if got := h.get(`SELECT id FROM stripe_events`); got != "evt_1" || q.stored != 1 {
		t.Errorf("%q are stored, %d counted", got, q.stored)
	}
}

// The batch behind is stored already when settling a registration anew fails.
func TestAQueueDoesNotGoOnWhereSettlingAnewFails(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	h.sell("e", 5, "reg-0", "reg-1", "reg-2")
	h.db.MustExec(`UPDATE registrations SET status = 'PAID' WHERE id = 'reg-0'`)
	h.db.MustExec(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$`)
	h.db.MustExec(`CREATE TRIGGER full_disk BEFORE UPDATE ON registrations FOR EACH ROW WHEN (OLD.id = 'reg-0') EXECUTE FUNCTION full_disk()`)
	q := newQueue(h.store, func(id string, err error) { t.Errorf("%s: %v", id, err) })
	first := q.add(t.Context(), []store.Received{payment("evt_1", "reg-1")}, []string{"reg-0"})
	second := q.add(t.Context(), []store.Received{payment("evt_2", "reg-2")}, nil)
	if end := q.end(); first != nil || second == nil || end == nil {
		t.Errorf("%v, %v, %v", first, second, end)
	}
	if got := h.get(`SELECT id FROM stripe_events`); got != "evt_1" || q.stored != 1 || q.settled != 0 {
		t.Errorf("%q are stored, %d and %d counted", got, q.stored, q.settled)
	}
}

func TestAQueueSettlesAnewWhatIsStored(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	h.sell("e", 5, "reg-1", "reg-2")
	if _, err := h.store.Process(t.Context(), []store.Received{payment("evt_1", "reg-1")}); err != nil {
		t.Fatal(err)
	}
	h.db.MustExec(`UPDATE registrations SET status = 'FAILED' WHERE id = 'reg-1'`)
	q := newQueue(h.store, func(id string, err error) { t.Errorf("%s: %v", id, err) })
	for _, add := range []error{
		q.add(t.Context(), nil, nil), q.add(t.Context(), []store.Received{payment("evt_2", "reg-2")}, []string{"reg-1"}), q.end(),
	} {
		if add != nil {
			t.Error(add)
		}
	}
	if got := h.get(`SELECT id || status FROM registrations`); got != "reg-1PAID\nreg-2PAID" || q.stored != 1 || q.settled != 1 {
		t.Errorf("%s, %d stored, %d settled", got, q.stored, q.settled)
	}
}

// Workers store the same events meanwhile, and each waits for the other's.
func TestAQueueAndWorkersDoNotStopEachOther(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	var registrations []string
	for i := range 60 {
		registrations = append(registrations, fmt.Sprint("reg-", i))
	}
	h.sell("e", 30, registrations...)
	events := purchases(0, registrations)
	shuffled := func() [][]store.Received {
		out := slices.Clone(events)
		rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		return slices.Collect(slices.Chunk(out, 10))
	}
	var group errgroup.Group
	group.Go(func() error {
		_, refused, err := h.run(shuffled())
		if len(refused) > 0 {
			t.Errorf("%q are refused", refused)
		}
		return err
	})
	for range 2 {
		worker, batches := h.open(), shuffled()
		group.Go(func() error {
			for _, batch := range batches {
				if _, err := worker.Process(t.Context(), batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, want := h.get(`SELECT concat_ws(' ', outcome, count(*)) FROM stripe_events GROUP BY outcome`), fmt.Sprint("settled ", len(events)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := h.get(`SELECT count(*)::text FROM registrations WHERE seat_held`); got != "30" {
		t.Errorf("%s hold a place", got)
	}
}
