package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// mustFail runs a statement that the database is to refuse because an event's places do not suffice.
func (f *fixture) mustFail(message, query string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Exec(query, args...); !isPQ(err, "23514", message) {
		f.t.Errorf("%s: got %v, want %q", query, err, message)
	}
	f.wantExactCounts()
}

func TestAFullEventRefusesARegistration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 1)
	f.event("none", 0)
	f.register("e", "reg-1")
	const insert = `INSERT INTO registrations (id, event_id, email) VALUES ('reg-2', $1, 'x')`
	f.mustFail("event e is full", insert, "e")
	f.mustFail("event none is full", insert, "none")
	f.exec(`DELETE FROM registrations`)
	f.wantRemaining("e", 1)
	f.exec(insert, "e")
	f.wantRemaining("e", 0)
}

func TestTheCountsFollowEveryStatementOfThePlatform(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("a", 4)
	f.event("b", 4)
	f.exec(`INSERT INTO events (id, title) VALUES ('open', 'without a limit')`)
	for _, step := range []struct {
		statement string
		a, b      int // places that remain
	}{
		{`INSERT INTO registrations (id, event_id, email) SELECT 'r' || n, 'a', 'x' FROM generate_series(1, 4) n`, 0, 4},
		{`UPDATE registrations SET event_id = 'b' WHERE id IN ('r1', 'r2', 'r3')`, 3, 1},
		{`UPDATE registrations SET event_id = CASE event_id WHEN 'a' THEN 'b' ELSE 'a' END`, 1, 3},
		{`UPDATE registrations SET name = 'Zoé', email = 'y'`, 1, 3},
		{`UPDATE registrations SET event_id = event_id`, 1, 3},
		{`INSERT INTO registrations (id, event_id, email) VALUES ('r1', 'a', 'x'), ('r5', 'b', 'x')
		  ON CONFLICT (id) DO UPDATE SET event_id = 'b'`, 2, 1},
		{`INSERT INTO registrations (id, event_id, email) VALUES ('r1', 'a', 'x') ON CONFLICT DO NOTHING`, 2, 1},
		{`MERGE INTO registrations r USING (VALUES ('r1', 'a'), ('r2', 'b'), ('r6', 'a')) AS v (id, event_id) ON r.id = v.id
		  WHEN MATCHED AND v.id = 'r2' THEN DELETE
		  WHEN MATCHED THEN UPDATE SET event_id = v.event_id
		  WHEN NOT MATCHED THEN INSERT (id, event_id, email) VALUES (v.id, v.event_id, 'x')`, 1, 2},
		{`UPDATE registrations SET event_id = 'open' WHERE event_id = 'a'`, 4, 2},
		{`WITH gone AS (DELETE FROM registrations WHERE event_id = 'open' RETURNING id, email)
		  INSERT INTO registrations (id, event_id, email) SELECT id || '+', 'b', email FROM gone WHERE id <> 'r6'`, 4, 0},
		{`DELETE FROM registrations WHERE event_id = 'nowhere'`, 4, 0},
		{`DELETE FROM registrations WHERE id <> 'r4'`, 4, 3},
		{`TRUNCATE events, registrations`, 4, 4},
	} {
		f.exec(step.statement)
		if strings.HasPrefix(step.statement, "TRUNCATE") {
			f.event("a", 4)
			f.event("b", 4)
		}
		f.wantRemaining("a", step.a)
		f.wantRemaining("b", step.b)
	}
}

func TestCopiedRowsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 3)
	copied := func(ids ...string) error {
		tx, err := f.db.Begin()
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		stmt, err := tx.Prepare(`COPY registrations (id, event_id, email) FROM STDIN`)
		if err != nil {
			return err
		}
		defer func() { _ = stmt.Close() }()
		for _, id := range ids {
			if _, err := stmt.Exec(id, "e", "x"); err != nil {
				return err
			}
		}
		if _, err := stmt.Exec(); err != nil { // its end
			return err
		}
		return tx.Commit()
	}
	if err := copied("r1", "r2"); err != nil {
		t.Fatal(err)
	}
	f.wantRemaining("e", 1)
	if err := copied("r3", "r4"); !isPQ(err, "23514", "event e is full") {
		t.Errorf("got %v", err)
	}
	f.wantRemaining("e", 1)
}

func TestAStatementThatNeedsMorePlacesThanThereAreDoesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("a", 2)
	f.event("b", 2)
	f.register("a", "r1", "r2")
	f.register("b", "r3")
	f.mustFail("event b is full", `INSERT INTO registrations (id, event_id, email) VALUES ('r4', 'b', 'x'), ('r5', 'b', 'x')`)
	f.mustFail("event b is full", `UPDATE registrations SET event_id = 'b'`)
	f.mustFail("event a is full", `UPDATE registrations SET event_id = 'a' WHERE id = 'r3'`)
	f.wantRemaining("a", 0)
	f.wantRemaining("b", 1)
}

func TestARowWithoutAPlaceMovesFreely(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("a", 1)
	f.event("b", 0)
	f.register("a", "r1")
	f.process(canceledFor(1, "r1"))
	f.exec(`UPDATE registrations SET event_id = 'b'`)
	f.wantState("r1", "CANCELED no-seat ")
	f.exec(`DELETE FROM registrations`)
	f.wantRemaining("a", 1)
	f.wantRemaining("b", 0)
}

func TestTheCapacityIsNeverBelowWhatIsHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 3)
	f.register("e", "r1", "r2")
	f.mustFail("event e holds 2 places: its capacity cannot be 1", `UPDATE events SET capacity = 1`)
	f.mustFail("event e holds 2 places: its capacity cannot be 0", `UPDATE events SET capacity = 0`)
	if _, err := f.db.Exec(`UPDATE events SET capacity = -1`); err == nil {
		t.Error("a negative capacity is taken")
	}
	f.exec(`UPDATE events SET capacity = 2`)
	f.wantRemaining("e", 0)
	f.exec(`UPDATE events SET capacity = NULL`)
	f.want([]string{"2 of any number"}, `SELECT held || ' of ' || coalesce(capacity::text, 'any number') FROM event_availability WHERE remaining IS NULL`)
	f.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'x' || n, 'e', 'x' FROM generate_series(1, 100) n`)
	f.wantExactCounts()
}

// Attendize#473 and chobbledotcom/tickets#78 sold the last seat twice.
func TestTheLastPlaceGoesToOneOfManyAtOnce(t *testing.T) {
	t.Parallel()
	const buyers, places = 12, 3
	f := newFixture(t)
	f.event("e", places)
	var sold, refused atomic.Int64
	inParallel(t, buyers, func(i int) error {
		_, err := f.db.ExecContext(context.Background(), `INSERT INTO registrations (id, event_id, email) VALUES ($1, 'e', 'x')`, fmt.Sprint("r", i))
		if err == nil {
			sold.Add(1)
			return nil
		}
		if isPQ(err, "23514", "event e is full") {
			refused.Add(1)
			return nil
		}
		return err
	})
	if sold.Load() != places || refused.Load() != buyers-places {
		t.Errorf("%d sold and %d refused", sold.Load(), refused.Load())
	}
	f.wantRemaining("e", 0)
}

func TestThePlatformsTemporaryTablesAreNotTakenForOurs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 3)
	conn, err := f.db.Connx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, statement := range []string{
		`CREATE TEMP TABLE events (LIKE public.events INCLUDING ALL)`,
		`INSERT INTO public.registrations (id, event_id, email) VALUES ('r1', 'e', 'x'), ('r2', 'e', 'x')`,
		`CREATE TEMP TABLE stripe_events (LIKE public.stripe_events)`,
		`DELETE FROM public.registrations WHERE id = 'r1'`,
	} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	f.wantRemaining("e", 2)
}

func TestOnlyTheOwnerMovesSeatsByHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 3)
	platform := "platform_" + f.get(`SELECT current_database()`)
	f.exec(`CREATE ROLE ` + platform)
	t.Cleanup(func() { f.exec(`DROP OWNED BY ` + platform + `; DROP ROLE ` + platform) })
	f.exec(`GRANT SELECT, INSERT, UPDATE, DELETE ON registrations TO ` + platform)
	as := func(statement string) error {
		_, err := f.db.Exec(`SET ROLE ` + platform + `; ` + statement + `; RESET ROLE`)
		return err
	}
	if err := as(`INSERT INTO registrations (id, event_id, email) VALUES ('r1', 'e', 'x'); DELETE FROM registrations`); err != nil {
		t.Errorf("a platform that may write registrations only: %v", err)
	}
	if err := as(`SELECT guichet_move_seats('{e}', '{2}')`); !isPQ(err, "42501", "permission denied for function guichet_move_seats") {
		t.Errorf("got %v", err)
	}
	f.wantRemaining("e", 3)
}
