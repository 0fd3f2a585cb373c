package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/store"
)

// wholeIndexes are read from end to end on purpose: they hold only rows that want attention.
var wholeIndexes = map[string]bool{"registrations_due": true, "registrations_without_seat": true}

// Plans are made once a connection and kept, whatever becomes of the tables: so they must be right for large
// ones from the start.
func TestEveryLookUpUsesItsIndexWhateverIsKnownOfTheTables(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]string{
		"new tables":                   ``,
		"tables that are small yet":    smallFill + `ANALYZE`,
		"many linked facts, none wait": fill + `ANALYZE`,
		"few registrations with most of the facts": fill + `
UPDATE stripe_events SET session_id = 'cs_1', intent_id = 'pi_1', charge_id = 'ch_1' WHERE id < 'evt_9'; ANALYZE`,
		"many facts that wait": fill + `
UPDATE stripe_events SET registration_id = NULL, outcome = 'waiting' WHERE id < 'evt_5'; ANALYZE`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.exec(prepare)
			s := f.open(store.Options{MaxConnections: 1})
			s.DB().SetMaxOpenConns(1)
			statements := prepared(t, s.DB())
			if len(statements) < 15 {
				t.Fatalf("only %d statements are prepared", len(statements))
			}
			for _, p := range statements {
				for _, problem := range withoutIndex(explain(t, s.DB(), p)) {
					t.Errorf("%s in\n%s", problem, p.Statement)
				}
			}
		})
	}
}

// PostgreSQL plans for the values as long as that looks cheaper, which for a small batch is always; the planning took it
// longer than the batch.
func TestStatementsArePlannedOnceAConnection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 100)
	s := f.open(store.Options{MaxConnections: 1})
	s.DB().SetMaxOpenConns(1)
	for i := range 10 {
		about := fmt.Sprintf("reg-%d", i)
		f.register("e", about)
		if _, err := s.Process(t.Context(), []store.Received{paidFor(i, about)}); err != nil {
			t.Fatal(err)
		}
	}
	var plans struct{ Made, Kept int }
	if err := s.DB().Get(&plans, `
SELECT sum(custom_plans) AS made, sum(generic_plans) AS kept FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_prepared_statements%'`); err != nil {
		t.Fatal(err)
	}
	if plans.Made > 0 || plans.Kept == 0 {
		t.Errorf("%d times a plan was made for the values, %d times that of the connection was used", plans.Made, plans.Kept)
	}
}

// What is not prepared keeps to one plan too: what a worker looks for again and again costs what waits, not what is done.
func TestWhatIsLookedForAgainAndAgainReadsOnlyWhatWaits(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]string{"new tables": ``, "known tables": `ANALYZE`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.exec(withoutAutovacuum)
			f.exec(fill + queues + prepare)
			f.exec(`SELECT pg_stat_force_next_flush()`)
			s := f.open(store.Options{MaxConnections: 1})
			s.DB().SetMaxOpenConns(1)
			read := func() (n int) {
				t.Helper()
				s.DB().MustExec(`SELECT pg_stat_force_next_flush()`)
				if err := s.DB().Get(&n, `SELECT sum(seq_tup_read) + sum(idx_tup_fetch) FROM pg_stat_user_tables`); err != nil {
					t.Fatal(err)
				}
				return n
			}
			const limit = 10
			count := func(n int64, err error) (int, error) { return int(n), err }
			for _, q := range []struct {
				what string
				look func() (found int, err error)
			}{
				{"events to ask about", func() (int, error) {
					found, err := s.Questions(t.Context(), 3*time.Hour, time.Hour, limit)
					return len(found), err
				}},
				{"facts that wait long", func() (int, error) { return count(s.RaiseUnlinked(t.Context(), time.Minute, limit)) }},
				{"unconfirmed payments", func() (int, error) {
					found, err := s.Unconfirmed(t.Context(), time.Minute, limit)
					return len(found), err
				}},
				{"stale registrations", func() (int, error) {
					found, err := s.Pending(t.Context(), time.Minute, time.Minute, limit)
					return len(found), err
				}},
				{"overdue registrations", func() (int, error) {
					found, err := s.Overdue(t.Context(), limit, []string{"r1", "r2"})
					return len(found), err
				}},
				{"registrations that are due", func() (int, error) { _, n, err := s.Sweep(t.Context(), limit); return n, err }},
				{"mails", func() (int, error) {
					found, err := s.ClaimMails(t.Context(), limit, time.Minute)
					return len(found), err
				}},
				{"registrations to blank", func() (int, error) { return count(s.Blank(t.Context(), time.Minute, limit)) }},
				{"the last delivery", func() (int, error) {
					at, err := s.LastDelivery(t.Context())
					if at.IsZero() {
						return 0, err
					}
					return 1, err
				}},
			} {
				before := read()
				found, err := q.look()
				if err != nil {
					t.Fatal(err)
				}
				if found == 0 {
					t.Errorf("looking for %s finds nothing", q.what)
				}
				if n := read() - before; n > 500 {
					t.Errorf("looking for %s reads %d rows", q.what, n)
				}
			}
		})
	}
}

const withoutAutovacuum = `
ALTER TABLE stripe_events SET (autovacuum_enabled = off);
ALTER TABLE registrations SET (autovacuum_enabled = off);
ALTER TABLE notifications SET (autovacuum_enabled = off);
`

// queues leave thousands of rows waiting for each look, one after the other, in the two hours before noon.
const queues = `
UPDATE stripe_events SET stored_at = '2026-03-10T10:00:00Z'::timestamptz + substr(id, 5)::int * interval '0.1 s';
UPDATE stripe_events SET received_at = stored_at;
UPDATE stripe_events SET registration_id = NULL, outcome = 'waiting', registration_ref = NULL WHERE id < 'evt_15';
UPDATE stripe_events SET kind = 'disputed' WHERE outcome = 'waiting' AND id < 'evt_12';
UPDATE stripe_events SET kind = 'intent_succeeded' WHERE outcome = 'settled' AND id LIKE '%0';
UPDATE registrations SET created_at = '2026-03-10T10:00:00Z'::timestamptz + substr(id, 2)::int * interval '0.1 s';
UPDATE registrations SET due_at = created_at;
UPDATE registrations SET deadline = created_at WHERE id BETWEEN 'r5' AND 'r7';
UPDATE registrations SET status = 'CANCELED', removed_at = created_at WHERE id > 'r7';
UPDATE notifications SET status = 'pending', send_after = '2026-03-10T10:00:00Z'::timestamptz + id * interval '0.1 s';
`

// A database that was just restored has tables of which the planner knows nothing. Checks and dry runs, which look up by
// key range after range, read none of them from end to end: that would take them the square of its size.
func TestChecksAndDryRunsLookUpByIndexWhateverIsKnownOfTheTables(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`ANALYZE;` + withoutAutovacuum)
	f.exec(fill)
	f.exec(`SELECT pg_stat_force_next_flush()`)
	s := f.open(store.Options{MaxConnections: 1})
	s.DB().SetMaxOpenConns(1)
	type reads struct{ Whole, Registrations int }
	read := func() (r reads) {
		t.Helper()
		s.DB().MustExec(`SELECT pg_stat_force_next_flush()`)
		if err := s.DB().Get(&r, `
SELECT sum(seq_tup_read) AS whole, sum(idx_tup_fetch) FILTER (WHERE relname = 'registrations') AS registrations
FROM pg_stat_user_tables WHERE relname IN ('stripe_events', 'registrations')`); err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := read()
	check, err := s.CheckRegistrations(t.Context(), store.Range{After: "r1", To: "r2"})
	if err != nil || check.Checked != 1111 {
		t.Fatalf("%d checked, %v", check.Checked, err)
	}
	if _, err := s.ForeseeSettled(t.Context(), []string{"r1", "r2", "r3"}); err != nil {
		t.Fatal(err)
	}
	if after := read(); after.Whole != before.Whole || after.Registrations > before.Registrations+1111+3 {
		t.Errorf("%+v were read, then %+v", before, after)
	}
}

var smallFill = strings.NewReplacer("5000)", "10)", "25000)", "10)").Replace(fill)

const fill = `
INSERT INTO events (id, title) SELECT 'e' || n, 'x' FROM generate_series(1, 50) n;
INSERT INTO registrations (id, event_id, email, checkout_session_id)
SELECT 'r' || n, 'e' || (n % 50 + 1), 'x', 'cs_' || n FROM generate_series(1, 5000) n;
UPDATE registrations SET due_at = NULL;
INSERT INTO stripe_events (id, type, outcome, registration_id, kind, created, registration_ref, session_id, intent_id, charge_id)
SELECT 'evt_' || n, 'x', 'settled', 'r' || n % 5000, 'paid', now(), 'r' || n % 5000, 'cs_' || n % 5000, 'pi_' || n % 5000, 'ch_' || n % 5000
FROM generate_series(1, 25000) n;
INSERT INTO notifications (registration_id, kind, slot, status) SELECT 'r' || n, 'x', 'x', 'sent' FROM generate_series(1, 5000) n;
`

type preparedStatement struct{ Name, Statement, Types string }

func prepared(t *testing.T, db *sqlx.DB) []preparedStatement {
	t.Helper()
	var out []preparedStatement
	if err := db.Select(&out, `
SELECT name, statement, array_to_string(parameter_types, ',') AS types
FROM pg_prepared_statements
WHERE statement NOT LIKE '%pg_prepared_statements%'
ORDER BY name`); err != nil {
		t.Fatal(err)
	}
	return out
}

// plan is a node of a plan.
type plan struct {
	NodeType  string `json:"Node Type"`
	Relation  string `json:"Relation Name"`
	Index     string `json:"Index Name"`
	IndexCond string `json:"Index Cond"`
	Plans     []plan
}

func explain(t *testing.T, db *sqlx.DB, p preparedStatement) plan {
	t.Helper()
	var args []string
	for _, parameter := range strings.FieldsFunc(p.Types, func(r rune) bool { return r == ',' }) {
		args = append(args, "NULL::"+parameter)
	}
	query := fmt.Sprintf(`EXPLAIN (FORMAT JSON) EXECUTE "%s"`, p.Name)
	if len(args) > 0 {
		query += "(" + strings.Join(args, ", ") + ")"
	}
	var text string
	if err := db.Get(&text, query); err != nil {
		t.Fatal(err)
	}
	var out []struct{ Plan plan }
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out[0].Plan
}

// withoutIndex names the scans of tables that do not look up a key.
func withoutIndex(p plan) []string {
	var out []string
	switch {
	case p.Relation == "" || p.NodeType == "ModifyTable":
	case p.IndexCond == "" && !wholeIndexes[p.Index]:
		out = append(out, fmt.Sprintf("%s of %s (%s) without a key", p.NodeType, p.Relation, p.Index))
	}
	for _, child := range p.Plans {
		out = append(out, withoutIndex(child)...)
	}
	return out
}
