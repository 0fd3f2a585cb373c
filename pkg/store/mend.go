package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/lib/pq"
)

// An event of a registration that the platform deleted since stays told nobody's.
const rewriteQuery = `
WITH old AS (
    SELECT f.id,
           f.registration_id,
           f.kind IS NOT NULL AND f.outcome = 'ignored' AND f.reason = '` + forgotten + `'
               AND NOT EXISTS (SELECT FROM registrations r WHERE r.id = f.registration_ref AND r.created_at <= f.stored_at) AS forgotten
    FROM stripe_events f
    WHERE f.id = ANY ($1)
    ORDER BY f.id
    FOR UPDATE
)
UPDATE stripe_events f
SET type = k.type,
    outcome = CASE WHEN k.kind = '' OR old.forgotten THEN 'ignored' ELSE 'waiting' END,
    reason = CASE WHEN k.kind <> '' AND old.forgotten THEN f.reason ELSE nullif(k.reason, '') END,
    registration_id = NULL,
    kind = nullif(k.kind, ''),
    source = k.source,
    created = nullif(k.created, '')::timestamptz,
    account = nullif(k.account, ''),
    livemode = k.livemode,
    api_version = nullif(k.api_version, ''),
    registration_ref = nullif(k.ref, ''),
    session_id = nullif(k.session, ''),
    intent_id = nullif(k.intent, ''),
    charge_id = nullif(k.charge, ''),
    detail = k.detail::jsonb
FROM old
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::text[], $10::text[],
            $11::text[], $12::text[], $13::text[], $14::text[])
    AS k (id, type, reason, kind, source, created, account, livemode, api_version, ref, session, intent, charge, detail) ON k.id = old.id
WHERE f.id = old.id
RETURNING old.registration_id`

// Rewrite makes the rows of stored events what the events say, links them anew, and settles the registrations to which
// they were linked and those to which they belong, in one transaction. Events that are not stored it leaves out.
func (s *Store) Rewrite(ctx context.Context, events []Received) (Result, error) {
	events = distinct(events)
	return s.relink(ctx, func(t *tx) ([]string, []Received, error) {
		var c columns
		for _, e := range events {
			c.add(e, "")
		}
		before, err := t.registrationIDs(ctx, rewriteQuery,
			pq.Array(c.ids), pq.Array(c.types), pq.Array(c.reasons), pq.Array(c.kinds), pq.Array(c.sources), pq.Array(c.created),
			pq.Array(c.accounts), pq.Array(c.livemodes), pq.Array(c.versions), pq.Array(c.refs), pq.Array(c.sessions), pq.Array(c.intents),
			pq.Array(c.charges), pq.Array(c.details))
		return before, events, err
	})
}

const unlinkQuery = `
WITH old AS (
    SELECT f.id, f.registration_id
    FROM stripe_events f
    WHERE f.id = ANY ($1) AND f.outcome <> 'ignored'
    ORDER BY f.id
    FOR UPDATE
)
UPDATE stripe_events f
SET registration_id = NULL, outcome = 'waiting'
FROM old
WHERE f.id = old.id
RETURNING old.registration_id`

// Relink links stored facts anew, and settles the registrations to which they were linked and those to which they
// belong, in one transaction.
func (s *Store) Relink(ctx context.Context, ids []string) (Result, error) {
	return s.relink(ctx, func(t *tx) ([]string, []Received, error) {
		before, err := t.registrationIDs(ctx, unlinkQuery, pq.Array(ids))
		if err != nil {
			return nil, nil, err
		}
		events, err := t.waitingEvents(ctx, ids)
		return before, events, err
	})
}

// relink runs what takes facts from their registrations, which it returns with the facts, and finds the right ones.
func (s *Store) relink(ctx context.Context, unlink func(*tx) (before []string, events []Received, err error)) (Result, error) {
	var result Result
	var known keys
	err := s.withTx(ctx, func(t *tx) error {
		before, events, err := unlink(t)
		if err != nil {
			return err
		}
		links, err := t.resolve(ctx, events)
		if err != nil {
			return err
		}
		linkWithin(events, links)
		known = newKeys()
		for _, e := range events {
			if id := links[e.ID]; id != "" {
				known.ids[e.ID] = id
			}
		}
		there, err := t.registrations(ctx, before, false)
		if err != nil {
			return err
		}
		result, err = s.settleLinked(ctx, t, known, rowIDs(there))
		return err
	})
	if err != nil {
		return Result{}, err
	}
	more, err := s.catchUp(ctx, known)
	result.add(more)
	return result, err
}

// registrationIDs runs a query that yields ids of registrations, or NULL.
func (t *tx) registrationIDs(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := t.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("take facts from their registrations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var id sql.NullString
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("take facts from their registrations: %w", err)
		}
		if id.Valid {
			out = append(out, id.String)
		}
	}
	return unique(out), rows.Err()
}

// waitingEvents loads facts that wait, with what links them.
func (t *tx) waitingEvents(ctx context.Context, ids []string) ([]Received, error) {
	const query = `
SELECT f.id, f.type, f.kind, f.source, f.created, f.session_id, f.intent_id, f.charge_id, f.detail, coalesce(f.registration_ref, '')
FROM stripe_events f
WHERE f.id = ANY ($1) AND f.outcome = 'waiting'`
	rows, err := t.QueryContext(ctx, query, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("load facts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []Received
	for rows.Next() {
		var e Received
		var f factRow
		if err := rows.Scan(&f.id, &e.Type, &f.kind, &f.source, &f.created, &f.session, &f.intent, &f.charge, &f.detail, &e.Registration); err != nil {
			return nil, fmt.Errorf("load facts: %w", err)
		}
		fact, err := f.fact()
		if err != nil {
			return nil, err
		}
		e.ID, e.Created, e.Fact = f.id, fact.Created, &fact
		out = append(out, e)
	}
	return out, rows.Err()
}

// Resettle settles registrations anew, with the facts that wait for them, whether they are due or not.
func (s *Store) Resettle(ctx context.Context, ids []string) (Result, error) {
	var there []dueRow
	const query = `SELECT id, coalesce(checkout_session_id, '') AS session FROM registrations WHERE id = ANY ($1)`
	if err := s.db.SelectContext(ctx, &there, query, pq.Array(ids)); err != nil {
		return Result{}, fmt.Errorf("load registrations: %w", err)
	}
	if len(there) == 0 {
		return Result{}, nil
	}
	thorough := *s
	thorough.thorough = true
	return thorough.sweep(ctx, there)
}

// RecountSeats makes events' counts of held places what their rows hold. An event whose rows hold more than its
// capacity it leaves, and says so.
func (s *Store) RecountSeats(ctx context.Context, events []string) error {
	const lock = `SELECT e.id FROM events e WHERE e.id = $1 FOR NO KEY UPDATE`
	// It is a statement of its own, to see what was committed before the lock.
	const count = `
UPDATE events e
SET seats_held = (SELECT count(*) FROM registrations r WHERE r.event_id = e.id AND r.seat_held)
WHERE e.id = $1`
	for _, id := range slices.Sorted(slices.Values(events)) {
		err := s.withTx(ctx, func(t *tx) error {
			for _, statement := range []string{lock, count} {
				if _, err := t.ExecContext(ctx, statement, id); err != nil {
					return err
				}
			}
			return nil
		})
		if IsDataError(err) {
			return fmt.Errorf("event %s: its registrations hold more places than its capacity: raise it, or release some: %w", id, err)
		}
		if err != nil {
			return fmt.Errorf("count the places of event %s: %w", id, err)
		}
	}
	return s.MarkSeatable(ctx)
}
