package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// Rows that another transaction holds are left to the next sweep.
const selectDueQuery = `
SELECT r.id, coalesce(r.checkout_session_id, '') AS key
FROM registrations r
WHERE r.due_at IS NOT NULL
ORDER BY r.due_at, r.id
LIMIT $1`

// Sweep settles up to limit due registrations, with the facts that waited for them, and says how many there were.
func (s *Store) Sweep(ctx context.Context, limit int) (Result, int, error) {
	due, err := pairs(ctx, s.statements.selectDue, limit)
	if err != nil || len(due) == 0 {
		return Result{}, 0, err
	}
	known := newKeys()
	ids := make([]string, 0, len(due))
	for _, d := range due {
		ids = append(ids, d.ID)
		known.refs[d.ID] = d.ID
		if d.Key != "" {
			known.sessions[d.Key] = d.ID
		}
	}
	result, err := s.settleAndCatchUp(ctx, known, ids)
	return result, len(due), err
}

func (s *Store) settleAndCatchUp(ctx context.Context, known keys, due []string) (Result, error) {
	var result Result
	err := s.withTx(ctx, func(t *tx) error {
		var err error
		result, err = s.settleLinked(ctx, t, known, due)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	again := newKeys()
	for _, link := range result.Links {
		again.add(link.Fact, link.RegistrationID)
	}
	return result, s.catchUp(ctx, &result, again)
}

// Facts that wait although their registration can be told: what two workers could leave that died between
// their commits and their second look.
const selectStraysQuery = `
WITH waiting AS (
    SELECT f.id, f.registration_ref, f.session_id, f.intent_id, f.charge_id
    FROM stripe_events f
    WHERE f.outcome = 'waiting' AND f.stored_at >= $1
    ORDER BY f.stored_at
    LIMIT $2
), resolved AS (
    SELECT w.id,
           coalesce(
               (SELECT r.id FROM registrations r WHERE r.id = w.registration_ref),
               (SELECT min(r.id) FROM registrations r WHERE r.checkout_session_id = w.session_id),
               (SELECT min(f.registration_id) FROM stripe_events f WHERE f.session_id = w.session_id AND f.registration_id IS NOT NULL),
               (SELECT min(f.registration_id) FROM stripe_events f WHERE f.intent_id = w.intent_id AND f.registration_id IS NOT NULL),
               (SELECT min(f.registration_id) FROM stripe_events f WHERE f.charge_id = w.charge_id AND f.registration_id IS NOT NULL)) AS key
    FROM waiting w
)
SELECT id, key
FROM resolved
WHERE key IS NOT NULL`

// LinkStrays links waiting facts stored since a time, up to limit of them, whose registration can be told by now.
func (s *Store) LinkStrays(ctx context.Context, since time.Time, limit int) (Result, error) {
	strays, err := pairs(ctx, s.statements.selectStrays, since, limit)
	if err != nil || len(strays) == 0 {
		return Result{}, err
	}
	known := newKeys()
	for _, stray := range strays {
		known.ids[stray.ID] = stray.Key
	}
	return s.settleAndCatchUp(ctx, known, nil)
}

// Seats that are free while somebody who paid has none: a row was locked when its place came free.
const markSeatableQuery = `
UPDATE registrations r
SET due_at = $1
FROM (
    SELECT w.id
    FROM registrations w
    JOIN events e ON e.id = w.event_id
    WHERE w.status = 'PAID' AND w.seat_wished AND NOT w.seat_held AND (e.capacity IS NULL OR e.seats_held < e.capacity)
    ORDER BY w.id
    FOR NO KEY UPDATE OF w SKIP LOCKED
) seatable
WHERE r.id = seatable.id`

// MarkSeatable makes due who paid, has no place, and could have one.
func (s *Store) MarkSeatable(ctx context.Context) error {
	if _, err := s.statements.markSeatable.ExecContext(ctx, s.now()); err != nil {
		return fmt.Errorf("mark who can be seated: %w", err)
	}
	return nil
}

const selectOverdueQuery = `
SELECT r.id, '' AS key
FROM registrations r
WHERE r.deadline <= $1 AND r.deadline IS NOT NULL AND r.id <> ALL ($3)
ORDER BY r.deadline, r.id
LIMIT $2`

// Overdue is a registration whose deadline has passed, and the fact that the clock makes of it.
type Overdue struct {
	Registration registration.Registration
	State        registration.State
	Fact         registration.Fact
}

// Overdue returns up to limit registrations whose deadline has passed, those in except left out. It settles
// nothing: the fact goes through Process as any other.
func (s *Store) Overdue(ctx context.Context, limit int, except []string) ([]Overdue, error) {
	now := s.now()
	found, err := pairs(ctx, s.statements.selectOverdue, now, limit, pq.Array(append([]string{}, except...)))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	ids := make([]string, 0, len(found))
	for _, f := range found {
		ids = append(ids, f.ID)
	}
	pool := &tx{nil, s.statements, now}
	rows, err := pool.registrations(ctx, ids, false)
	if err != nil {
		return nil, err
	}
	if err := pool.loadFacts(ctx, rows); err != nil {
		return nil, err
	}
	var out []Overdue
	for _, r := range rows {
		state := registration.Settle(r.Registration, r.facts, s.policy)
		o := Overdue{Registration: r.Registration, State: state}
		if state.Lapse != "" && !state.Deadline.After(now) {
			o.Fact = registration.Lapsed(r.Registration, state)
		}
		out = append(out, o)
	}
	return out, nil
}

// pair is an id with what belongs to it.
type pair struct {
	ID  string `db:"id"`
	Key string `db:"key"`
}

func pairs(ctx context.Context, statement *sqlx.Stmt, args ...any) ([]pair, error) {
	var out []pair
	if err := statement.SelectContext(ctx, &out, args...); err != nil {
		return nil, fmt.Errorf("select registrations: %w", err)
	}
	return out, nil
}
