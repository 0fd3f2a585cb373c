package store_test

import (
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

func TestWhatSettlingReadsMakesARegistrationDue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.event("other", 5)
	f.register("e", "reg-1")
	for _, c := range []struct {
		statement string
		due       bool
	}{
		{`SELECT 1`, true}, // the insertion
		{`SELECT 1`, false},
		{`UPDATE registrations SET email = 'new@example.com', name = 'Zoé', locale = 'en'`, false},
		{`UPDATE registrations SET event_id = 'other'`, true},
		{`UPDATE registrations SET amount_due = 100`, true},
		{`UPDATE registrations SET currency = 'eur'`, true},
		{`UPDATE registrations SET checkout_session_id = 'cs_1'`, true},
		{`UPDATE registrations SET checkout_created_at = '2026-01-01Z'`, true},
		{`UPDATE registrations SET checkout_expires_at = '2026-01-02Z'`, true},
		{`UPDATE registrations SET event_id = 'other', amount_due = 100, currency = 'eur', checkout_session_id = 'cs_1',
		  checkout_created_at = '2026-01-01Z', checkout_expires_at = '2026-01-02Z', name = 'as some mappers write every column'`, false},
		{`UPDATE registrations SET checkout_session_id = NULL`, true},
	} {
		f.exec(c.statement)
		if due := f.get(`SELECT due_at IS NOT NULL FROM registrations`) == "true"; due != c.due {
			t.Errorf("%s: due is %t", c.statement, due)
		}
		f.sweep()
		f.want([]string{}, `SELECT id FROM registrations WHERE due_at IS NOT NULL`)
	}
}

func TestTimesOfACheckoutBelongToItsSession(t *testing.T) {
	t.Parallel()
	const times = `SELECT concat_ws(' ', to_char(checkout_created_at AT TIME ZONE 'UTC', 'HH24'), to_char(checkout_expires_at AT TIME ZONE 'UTC', 'HH24')) FROM registrations`
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	for _, c := range []struct{ set, want string }{
		{`checkout_created_at = '2026-01-01T01:00Z', checkout_expires_at = '2026-01-01T02:00Z'`, "01 02"},
		{`checkout_session_id = 'cs_1'`, "01 02"}, // given before the first session
		{`checkout_session_id = 'cs_1'`, "01 02"},
		{`checkout_session_id = 'cs_2'`, ""},
		{`checkout_expires_at = '2026-01-01T03:00Z'`, "03"},
		{`checkout_session_id = 'cs_3', checkout_created_at = '2026-01-01T04:00Z'`, "04"},
		{`checkout_session_id = NULL`, ""},
	} {
		f.exec(`UPDATE registrations SET ` + c.set)
		if got := f.get(times); got != c.want {
			t.Errorf("after %s the times are %q, want %q", c.set, got, c.want)
		}
	}
}

func TestItIsKnownWhenASessionWasSet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.want([]string{"true"}, `SELECT (checkout_set_at IS NULL)::text FROM registrations`)
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_1'`)
	f.exec(`UPDATE registrations SET checkout_set_at = checkout_set_at - interval '1 hour'`)
	f.sweep()
	f.want([]string{"true"}, `SELECT (deadline = checkout_set_at + interval '25 hours')::text FROM registrations`)
	f.exec(`UPDATE registrations SET amount_due = 5`)
	f.want([]string{"true"}, `SELECT (checkout_set_at < now() - interval '59 minutes')::text FROM registrations`)
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_2'`)
	f.want([]string{"true"}, `SELECT (checkout_set_at > now() - interval '59 minutes')::text FROM registrations`)
}

func TestARegistrationThatChangesWhileItIsSweptStaysDue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(fact(1, registration.Paid, "", of("cs_2", "pi_2", "")))
	// The sweep has selected the row, and waits for a fact that another transaction holds.
	f.process(fact(2, registration.ActionRequired, "reg-9", of("", "pi_9", "")))
	f.exec(`UPDATE stripe_events SET registration_ref = 'reg-1' WHERE id = 'evt_action_required_2'`)
	other, err := f.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	other.MustExec(`UPDATE stripe_events SET reason = 'held' WHERE id = 'evt_action_required_2'`)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.sweep()
	}()
	f.untilBlocked()
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_2'`)
	if err := other.Commit(); err != nil {
		t.Fatal(err)
	}
	<-done
	f.sweep()
	f.wantState("reg-1", "PAID seat ")
}

func TestASweepTakesSoManyAndTheOldestFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2", "reg-3")
	f.exec(`UPDATE registrations SET due_at = $1`, noon)
	f.exec(`UPDATE registrations SET due_at = $1 WHERE id = 'reg-3'`, noon.Add(-time.Second))
	for _, want := range [][]string{{"reg-2"}, {}} {
		if _, n, err := f.store.Sweep(t.Context(), 2); err != nil || n == 0 {
			t.Fatalf("%d, %v", n, err)
		}
		f.want(want, `SELECT id FROM registrations WHERE due_at IS NOT NULL`)
	}
}

func TestARowThatThePlatformHoldsKeepsNoOtherFromBeingSwept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	platform, err := f.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	platform.MustExec(`UPDATE registrations SET name = 'x' WHERE id = 'reg-1'`)
	f.sweep()
	f.want([]string{"reg-1"}, `SELECT id FROM registrations WHERE due_at IS NOT NULL`)
	if err := platform.Commit(); err != nil {
		t.Fatal(err)
	}
	f.sweep()
	f.want([]string{}, `SELECT id FROM registrations WHERE due_at IS NOT NULL`)
}

func TestARowThatTheDatabaseRefusesKeepsNoOtherFromBeingSwept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 50)
	f.refuse("reg-3")
	for _, id := range []string{"reg-1", "reg-2", "reg-3", "reg-4", "reg-5"} {
		f.process(paidFor(int(id[4]), id))
		f.register("e", id)
	}
	if _, _, err := f.store.Sweep(t.Context(), 100); !isPQ(err, "P0001", "no") {
		t.Errorf("got %v", err)
	}
	f.want([]string{"reg-3"}, `SELECT id FROM registrations WHERE due_at IS NOT NULL OR status <> 'PAID'`)
}

// refuse makes the database refuse that a registration is settled, as a trigger of the platform's may.
func (f *fixture) refuse(id string) {
	f.t.Helper()
	f.exec(`
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = NEW.email; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON registrations FOR EACH ROW
WHEN (NEW.id = '` + id + `' AND NEW.status <> OLD.status) EXECUTE FUNCTION refuse()`)
}

func TestTimesThatGoCannotReadAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	for _, set := range []string{
		`registrations SET checkout_expires_at = 'infinity'`,
		`registrations SET checkout_created_at = '-infinity'`,
		`registrations SET created_at = '0044-03-15 BC'`,
		`registrations SET checkout_expires_at = '100000-01-01'`,
		`registrations SET checkout_session_id = ''`,
		`events SET starts_at = 'infinity'`,
	} {
		if _, err := f.db.Exec(`UPDATE ` + set); err == nil {
			t.Errorf("%s is taken", set)
		}
	}
}

func TestNothingIsRewrittenThatIsAsItsFactsSay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2", "reg-3", "reg-4")
	// Times finer than PostgreSQL's, and flags in their order.
	fine := paidFor(2, "reg-2")
	fine.Fact.Created, fine.Created = noon.Add(1234567891), noon.Add(1234567891)
	f.exec(`UPDATE registrations SET amount_due = 1, checkout_created_at = $1, checkout_expires_at = $1`, noon.Add(987654321))
	f.process(failedFor(1, "reg-1"), fine, fact(3, registration.Paid, "reg-2", of("cs_b", "pi_b", "")), canceledFor(4, "reg-3"))
	f.sweep()
	f.wantState("reg-2", "PAID seat amount_mismatch,double_payment")
	versions := func() []string { return f.list(`SELECT id || xmin FROM registrations ORDER BY id`) }
	before := versions()
	f.process(failedFor(1, "reg-1"), fine, fact(5, registration.DisputeUpdated, "reg-2", of("", "pi_b", "")), canceledFor(6, "reg-3"))
	f.want(before, `SELECT id || xmin FROM registrations ORDER BY id`)
}
