package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/lib/pq"
)

// Of a fact that names a registration, another one than it is linked to, and that was there when it was stored.
const elsewhereQuery = `
SELECT f.id, f.registration_id, r.id
FROM stripe_events f
JOIN registrations r ON r.id = f.registration_ref AND r.created_at <= f.stored_at
WHERE f.id = ANY ($1)`

// Of a fact that names none, one of whose facts it shares an id with.
const kinQuery = `
SELECT f.id, f.registration_id, min(kin.registration_id)
FROM stripe_events f
CROSS JOIN LATERAL (
    SELECT g.registration_id FROM stripe_events g WHERE g.session_id = f.session_id AND g.registration_id IS NOT NULL
    UNION ALL
    SELECT g.registration_id FROM stripe_events g WHERE g.intent_id = f.intent_id AND g.registration_id IS NOT NULL
    UNION ALL
    SELECT g.registration_id FROM stripe_events g WHERE g.charge_id = f.charge_id AND g.registration_id IS NOT NULL
) kin
JOIN registrations r ON r.id = kin.registration_id
WHERE f.id = ANY ($1) AND kin.registration_id <> f.registration_id
GROUP BY f.id, f.registration_id`

// checkLinks looks whether the facts of rows are linked to the registrations that they belong to: the one that they
// name, or else one with which they share a session, an intent or a charge.
func (t *tx) checkLinks(ctx context.Context, rows []*row, facts map[string][]linkedFact, check *RegistrationCheck) error {
	var elsewhere, loose []string
	for _, r := range rows {
		for _, f := range facts[r.ID] {
			if f.ref != "" && f.ref != r.ID {
				elsewhere = append(elsewhere, f.fact.ID)
			}
		}
	}
	if err := t.misplaced(ctx, elsewhereQuery, elsewhere, check); err != nil {
		return err
	}
	for _, r := range rows {
		tied := newKeys()
		offer(tied.sessions, r.Session, r.ID)
		var open []linkedFact
		for _, f := range facts[r.ID] {
			switch {
			case f.ref == "":
				open = append(open, f)
			case !slices.Contains(check.Misplaced, f.fact.ID):
				tied.add(f.fact, r.ID)
			}
		}
		loose = append(loose, untied(r.ID, open, tied)...)
	}
	return t.misplaced(ctx, kinQuery, loose, check)
}

// untied returns the facts that share no id with those that are tied, nor with any that do.
func untied(registrationID string, open []linkedFact, tied keys) []string {
	for progress := true; progress; {
		rest := slices.DeleteFunc(slices.Clone(open), func(f linkedFact) bool {
			if tied.sessions[f.fact.Session] == "" && tied.intents[f.fact.Intent] == "" && tied.charges[f.fact.Charge] == "" {
				return false
			}
			tied.add(f.fact, registrationID)
			return true
		})
		progress = len(rest) < len(open)
		open = rest
	}
	var ids []string
	for _, f := range open {
		ids = append(ids, f.fact.ID)
	}
	return ids
}

func (t *tx) misplaced(ctx context.Context, query string, ids []string, check *RegistrationCheck) error {
	if len(ids) == 0 {
		return nil
	}
	found, err := t.links(ctx, query, pq.Array(ids))
	for _, d := range found {
		check.Misplaced = append(check.Misplaced, d.ID)
	}
	check.add(found)
	return err
}

// links runs a query that yields facts with the registration that each has and the one that it should have.
func (t *tx) links(ctx context.Context, query string, args ...any) ([]Difference, error) {
	rows, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("check links: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []Difference
	for rows.Next() {
		var id string
		var has, should sql.NullString
		if err := rows.Scan(&id, &has, &should); err != nil {
			return nil, fmt.Errorf("check links: %w", err)
		}
		out = append(out, Difference{AboutEvent, id, "registration_id", orAbsent(has.String), orAbsent(should.String)})
	}
	return out, rows.Err()
}

// Ids of registrations come from indexes alone, in their order, and so cost a tenth of what the facts would.
const danglingQuery = `
SELECT f.id, f.registration_id, NULL
FROM (
    SELECT DISTINCT g.registration_id
    FROM stripe_events g
    WHERE (g.registration_id > $1 OR $1 = '' AND g.registration_id IS NOT NULL)
        AND NOT EXISTS (SELECT FROM registrations r WHERE r.id = g.registration_id)
    ORDER BY g.registration_id
    LIMIT $2
) gone
JOIN stripe_events f ON f.registration_id = gone.registration_id
ORDER BY f.registration_id, f.id`

// Dangling returns the facts that are linked to registrations which are not there: those of up to limit registrations,
// by id from above after. Next is where to go on; empty at the end.
func (s *Store) Dangling(ctx context.Context, after string, limit int) (found []Difference, next string, err error) {
	err = s.report(ctx, func(t *tx) error {
		found, err = t.links(ctx, danglingQuery, after, limit)
		return err
	})
	registrations := slices.CompactFunc(slices.Clone(found), func(a, b Difference) bool { return a.Stored == b.Stored })
	if len(registrations) == limit {
		next = registrations[limit-1].Stored
	}
	return found, next, err
}

// What the platform has changed is swept within seconds, and with it what waits for it.
const linkableQuery = `
SELECT k.id, NULL, k.registration_id
FROM (
    SELECT k.id,` + registrationOf + ` AS registration_id
    FROM (
        SELECT f.id, f.registration_ref, f.session_id, f.intent_id, f.charge_id
        FROM stripe_events f
        WHERE f.outcome = 'waiting' AND f.id > $1 AND ($2::text[] IS NULL OR f.id = ANY ($2))
    ) k (id, ref, session, intent, charge)
    OFFSET 0
) k
JOIN registrations r ON r.id = k.registration_id AND r.due_at IS NULL
ORDER BY k.id
LIMIT $3`

// Linkable returns up to limit facts, by id from above after, that wait although their registration can be told; of,
// unless nil, picks facts. Two workers leave one for the moment that each needs to look again. Next is where to go on;
// empty at the end.
func (s *Store) Linkable(ctx context.Context, of []string, after string, limit int) (found []Difference, next string, err error) {
	var ids any
	if of != nil {
		ids = pq.Array(of)
	}
	err = s.report(ctx, func(t *tx) error {
		found, err = t.links(ctx, linkableQuery, after, ids, limit)
		return err
	})
	if len(found) == limit {
		next = found[limit-1].ID
	}
	return found, next, err
}
