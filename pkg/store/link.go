package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// keys are the ids by which waiting facts can be found, each with its registration.
type keys struct {
	ids, refs, sessions, intents, charges map[string]string
	// waiting are facts of this batch that found no registration.
	waiting []Received
}

// keyColumns are the columns of waiting facts that hold such ids, those that name a registration most surely first.
func keyColumns() []string {
	return []string{"id", "registration_ref", "session_id", "intent_id", "charge_id"}
}

func newKeys() keys {
	return keys{
		ids: map[string]string{}, refs: map[string]string{}, sessions: map[string]string{},
		intents: map[string]string{}, charges: map[string]string{},
	}
}

// clone returns the same keys, to which more can be added.
func (k keys) clone() keys {
	out := newKeys()
	maps.Copy(out.ids, k.ids)
	maps.Copy(out.refs, k.refs)
	maps.Copy(out.sessions, k.sessions)
	maps.Copy(out.intents, k.intents)
	maps.Copy(out.charges, k.charges)
	return out
}

// add offers a registration, and what a fact of it names, to the facts that wait for them. Where facts
// contradict each other the least registration holds, as in the database.
func (k keys) add(f registration.Fact, registrationID string) {
	offer(k.refs, registrationID, registrationID)
	offer(k.sessions, f.Session, registrationID)
	offer(k.intents, f.Intent, registrationID)
	offer(k.charges, f.Charge, registrationID)
}

func offer(m map[string]string, key, registrationID string) {
	if known, taken := m[key]; key != "" && (!taken || registrationID < known) {
		m[key] = registrationID
	}
}

func (k keys) empty() bool {
	return len(k.ids)+len(k.refs)+len(k.sessions)+len(k.intents)+len(k.charges) == 0
}

// arrays returns the keys as pairs of arrays, in the order of keyColumns.
func (k keys) arrays() []any {
	var out []any
	for _, m := range []map[string]string{k.ids, k.refs, k.sessions, k.intents, k.charges} {
		from, to := make([]string, 0, len(m)), make([]string, 0, len(m))
		for key, id := range m {
			from, to = append(from, key), append(to, id)
		}
		out = append(out, pq.Array(from), pq.Array(to))
	}
	return out
}

// registrationOf is the registration of a fact k: the one its metadata names; failing that the one whose
// session it is; failing that the one of another fact with its session, intent or charge.
const registrationOf = `
       coalesce(
           (SELECT r.id FROM registrations r WHERE r.id = k.ref),
           (SELECT min(r.id) FROM registrations r WHERE r.checkout_session_id = k.session),
           (SELECT r.id FROM registrations r WHERE r.id = coalesce(
               (SELECT min(f.registration_id) FROM stripe_events f WHERE f.session_id = k.session AND f.registration_id IS NOT NULL),
               (SELECT min(f.registration_id) FROM stripe_events f WHERE f.intent_id = k.intent AND f.registration_id IS NOT NULL),
               (SELECT min(f.registration_id) FROM stripe_events f WHERE f.charge_id = k.charge AND f.registration_id IS NOT NULL))))`

const resolveQuery = `
SELECT k.n,` + registrationOf + `
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS k (ref, session, intent, charge, n)`

// resolveBeforeQuery leaves out the facts that its own transaction has stored.
var resolveBeforeQuery = strings.ReplaceAll(resolveQuery, "f.registration_id IS NOT NULL", "f.registration_id IS NOT NULL AND f.xmin <> pg_current_xact_id()::xid")

// resolve returns the registrations of the events that have one, by event id.
func (t *tx) resolve(ctx context.Context, events []Received) (map[string]string, error) {
	return t.resolveBy(ctx, t.statements.resolve, events)
}

func (t *tx) resolveBy(ctx context.Context, statement *sqlx.Stmt, events []Received) (map[string]string, error) {
	var ids, refs, sessions, intents, charges []string
	for _, e := range events {
		if e.Fact == nil {
			continue
		}
		var f registration.Fact
		if !e.own() { // else it is about the row that it names, or about none
			f = *e.Fact
		}
		ids = append(ids, e.ID)
		refs = append(refs, e.Registration)
		sessions = append(sessions, f.Session)
		intents = append(intents, f.Intent)
		charges = append(charges, f.Charge)
	}
	links := map[string]string{}
	if len(ids) == 0 {
		return links, nil
	}
	err := t.each(ctx, statement, func(rows *sql.Rows) error {
		var n int
		var id *string
		if err := rows.Scan(&n, &id); err != nil || id == nil {
			return err
		}
		links[ids[n-1]] = *id
		return nil
	}, pq.Array(refs), pq.Array(sessions), pq.Array(intents), pq.Array(charges))
	if err != nil {
		return nil, fmt.Errorf("resolve registrations: %w", err)
	}
	return links, nil
}

// linkWithin links facts through other facts of the same batch, which the database does not hold yet.
func linkWithin(events []Received, links map[string]string) {
	for {
		known := newKeys()
		var open []Received
		for _, e := range events {
			switch {
			case e.Fact == nil:
			case links[e.ID] != "":
				known.add(*e.Fact, links[e.ID])
			default:
				open = append(open, e)
			}
		}
		progress := false
		for _, e := range open {
			for _, id := range []string{known.sessions[e.Fact.Session], known.intents[e.Fact.Intent], known.charges[e.Fact.Charge]} {
				if id != "" {
					links[e.ID] = id
					progress = true
					break
				}
			}
		}
		if !progress {
			return
		}
	}
}

// waitingFor finds the facts that wait for keys, of which each column has a pair of parameters, the first of them given.
// Each key is looked up by itself, whatever the planner thinks: OFFSET 0 keeps it from reading all waiting facts instead,
// which it prefers while they are few and goes on with when they are many.
func waitingFor(first int, columns ...string) string {
	arms := make([]string, 0, len(columns))
	for i, column := range columns {
		arms = append(arms, fmt.Sprintf(`
    SELECT f.id, k.registration_id
    FROM unnest($%d::text[], $%d::text[]) k (key, registration_id)
    CROSS JOIN LATERAL (SELECT f.id FROM stripe_events f WHERE f.%s = k.key AND f.outcome = 'waiting' OFFSET 0) f`,
			first+2*i, first+2*i+1, column))
	}
	return `
SELECT found.id, (SELECT r.id FROM registrations r WHERE r.id = found.registration_id)
FROM (` + strings.Join(arms, `
    UNION ALL`) + `
) found`
}

// findings are waiting facts, each with its registration, by id.
type findings map[string]string

// add takes a row of waitingFor, which are strongest first. It leaves out registrations that are not there any more.
func (f findings) add(fact, id *string) {
	if fact == nil || id == nil {
		return
	}
	if _, taken := f[*fact]; !taken {
		f[*fact] = *id
	}
}

// found returns the waiting facts that the keys link.
func (t *tx) found(ctx context.Context, known keys) (findings, error) {
	links := findings{}
	if known.empty() {
		return links, nil
	}
	err := t.each(ctx, t.statements.found, func(rows *sql.Rows) error {
		var fact, id *string
		err := rows.Scan(&fact, &id)
		links.add(fact, id)
		return err
	}, known.arrays()...)
	if err != nil {
		return nil, fmt.Errorf("find waiting facts: %w", err)
	}
	return links, nil
}

const adoptQuery = `
WITH found AS (
    SELECT f.id, k.registration_id
    FROM (SELECT u.id, u.registration_id FROM unnest($1::text[], $2::text[]) u (id, registration_id) ORDER BY u.id) k
    CROSS JOIN LATERAL (SELECT f.id FROM stripe_events f WHERE f.id = k.id AND f.outcome = 'waiting' FOR UPDATE) f
)
UPDATE stripe_events f
SET registration_id = found.registration_id, outcome = 'settled'
FROM found
WHERE f.id = found.id
RETURNING f.id, f.type, f.registration_id, f.kind, f.source, f.created, f.session_id, f.intent_id, f.charge_id, f.detail`

// adopt links the facts that were found to wait, and those that wait for theirs, until no more are found. It adds
// their keys to those known.
func (t *tx) adopt(ctx context.Context, found findings, known keys) ([]Link, error) {
	var out []Link
	for len(found) > 0 {
		adopted, err := t.adoptFound(ctx, found)
		if err != nil {
			return nil, err
		}
		out = append(out, adopted...)
		look := newKeys()
		for _, link := range adopted {
			look.add(link.Fact, link.RegistrationID)
			known.add(link.Fact, link.RegistrationID)
		}
		if found, err = t.found(ctx, look); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t *tx) adoptFound(ctx context.Context, found findings) ([]Link, error) {
	var facts, ids []string
	for fact, id := range found {
		facts, ids = append(facts, fact), append(ids, id)
	}
	var out []Link
	err := t.each(ctx, t.statements.adopt, func(rows *sql.Rows) error {
		var link Link
		var row factRow
		err := rows.Scan(&row.id, &link.EventType, &link.RegistrationID, &row.kind, &row.source, &row.created,
			&row.session, &row.intent, &row.charge, &row.detail)
		if err != nil {
			return err
		}
		link.Fact, err = row.fact()
		out = append(out, link)
		return err
	}, pq.Array(facts), pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("adopt waiting facts: %w", err)
	}
	return out, t.clearUnlinked(ctx, facts)
}

// factRow is a fact as its row holds it.
type factRow struct {
	id, kind, source        string
	created                 time.Time
	session, intent, charge *string
	detail                  string
}

func (r factRow) fact() (registration.Fact, error) {
	var f registration.Fact
	if err := readDetail(&f, r.detail); err != nil {
		return f, fmt.Errorf("fact %s: %w", r.id, err)
	}
	f.ID, f.Kind, f.Source, f.Created = r.id, registration.FactKind(r.kind), registration.Source(r.source), r.created.UTC()
	f.Session, f.Intent, f.Charge = deref(r.session), deref(r.intent), deref(r.charge)
	return f, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func unique(ids []string) []string {
	sorted := slices.Clone(ids)
	slices.SortFunc(sorted, strings.Compare)
	return slices.Compact(sorted)
}
