package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// Rows that another transaction holds are left to the next sweep: one that the platform keeps locked would
// hold up all others.
const selectDueQuery = `
SELECT r.id, coalesce(r.checkout_session_id, '') AS session
FROM registrations r
WHERE r.due_at IS NOT NULL
ORDER BY r.due_at, r.id
LIMIT $1
FOR NO KEY UPDATE SKIP LOCKED`

// dueRow is a due registration as it was seen.
type dueRow struct {
	ID      string `db:"id"`
	Session string `db:"session"`
}

// Sweep settles up to limit due registrations, with the facts that waited for them, and says how many there were.
// After an error those of the registrations that PostgreSQL takes are settled nonetheless.
func (s *Store) Sweep(ctx context.Context, limit int) (Result, int, error) {
	var due []dueRow
	if err := s.statements.selectDue.SelectContext(ctx, &due, limit); err != nil {
		return Result{}, 0, fmt.Errorf("select due registrations: %w", err)
	}
	if len(due) == 0 {
		return Result{}, 0, nil
	}
	result, err := s.sweep(ctx, due)
	return result, len(due), err
}

// sweep settles due rows, and where PostgreSQL refuses one of them the others.
func (s *Store) sweep(ctx context.Context, due []dueRow) (Result, error) {
	known := newKeys()
	ids := make([]string, 0, len(due))
	for _, d := range due {
		ids = append(ids, d.ID)
		offer(known.refs, d.ID, d.ID)
		offer(known.sessions, d.Session, d.ID)
	}
	result, err := s.settleAndCatchUp(ctx, known, ids)
	if !IsDataError(err) || len(due) == 1 {
		return result, err
	}
	result, err = s.sweep(ctx, due[:len(due)/2])
	more, moreErr := s.sweep(ctx, due[len(due)/2:])
	result.add(more)
	return result, errors.Join(err, moreErr)
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
	more, err := s.catchUp(ctx, again)
	result.add(more)
	return result, err
}

// Facts that wait although their registration can be told: what two workers could leave that died between
// their commits and their second look. Those that cannot be told do not count towards the limit.
const selectStraysQuery = `
SELECT strays.id, strays.registration_id
FROM (
    SELECT k.id,` + registrationOf + ` AS registration_id
    FROM (
        SELECT f.id, f.registration_ref, f.session_id, f.intent_id, f.charge_id
        FROM stripe_events f
        WHERE f.outcome = 'waiting' AND f.stored_at >= $1
    ) k (id, ref, session, intent, charge)
    OFFSET 0
) strays
WHERE strays.registration_id IS NOT NULL
LIMIT $2`

// LinkStrays links up to limit facts, stored since a time, that wait although their registration can be told by now.
func (s *Store) LinkStrays(ctx context.Context, since time.Time, limit int) (Result, error) {
	var strays []struct {
		ID           string `db:"id"`
		Registration string `db:"registration_id"`
	}
	if err := s.statements.selectStrays.SelectContext(ctx, &strays, since, limit); err != nil {
		return Result{}, fmt.Errorf("select strays: %w", err)
	}
	if len(strays) == 0 {
		return Result{}, nil
	}
	known := newKeys()
	for _, stray := range strays {
		known.ids[stray.ID] = stray.Registration
	}
	return s.settleAndCatchUp(ctx, known, nil)
}

// Places that are free while somebody who paid has none: their row was locked when the place came free.
const markSeatableQuery = `
SELECT guichet_seat_waiting(array_agg(e.id))
FROM (
    SELECT e.id
    FROM events e
    WHERE (e.capacity IS NULL OR e.seats_held < e.capacity)
        AND e.id IN (SELECT r.event_id FROM registrations r WHERE r.status = 'PAID' AND r.seat_wished AND NOT r.seat_held)
    ORDER BY e.id
    FOR NO KEY UPDATE
) e`

// MarkSeatable gives free places to those who paid and have none.
func (s *Store) MarkSeatable(ctx context.Context) error {
	err := s.withTx(ctx, func(t *tx) error {
		_, err := t.on(ctx, t.statements.markSeatable).ExecContext(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("seat who waits for a place: %w", err)
	}
	return nil
}

// <> ALL would compare with each of $3: PostgreSQL hashes an array only in a plan that is made for it.
const selectOverdueQuery = `
SELECT r.id
FROM registrations r
WHERE r.deadline <= $1 AND r.deadline IS NOT NULL AND r.id NOT IN (SELECT unnest($3::text[]))
ORDER BY r.deadline, r.id
LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED`

// Standing is how a registration stands.
type Standing struct {
	Registration registration.Registration
	State        registration.State
	// Fact is what the clock makes of it; empty where its deadline has not passed.
	Fact registration.Fact
	// Session is the row's, or else the one its latest fact names; Account is that of its events.
	Session, Account string
}

// Overdue returns up to limit registrations whose deadline has passed, those in except and those that another
// transaction holds left out. It settles nothing: the fact goes through Process as any other.
func (s *Store) Overdue(ctx context.Context, limit int, except []string) ([]Standing, error) {
	now := s.now()
	var ids []string
	err := s.statements.selectOverdue.SelectContext(ctx, &ids, now, limit, pq.Array(append([]string{}, except...))) // NULL would be all
	if err != nil {
		return nil, fmt.Errorf("select overdue registrations: %w", err)
	}
	return s.standings(ctx, ids, now)
}

func (s *Store) standings(ctx context.Context, ids []string, now time.Time) ([]Standing, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	pool := &tx{statements: s.statements, now: now}
	rows, err := pool.registrations(ctx, ids, false)
	if err != nil {
		return nil, err
	}
	if err := pool.loadFacts(ctx, rows); err != nil {
		return nil, err
	}
	accounts, err := s.accounts(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []Standing
	for _, r := range rows {
		state := registration.Settle(r.Registration, r.facts, s.policy)
		o := Standing{Registration: r.Registration, State: state, Session: r.session(), Account: accounts[r.ID]}
		if state.Lapse != "" && !state.Deadline.After(now) {
			o.Fact = registration.Lapsed(r.Registration, state)
		}
		out = append(out, o)
	}
	return out, nil
}

// accounts returns the Connect accounts of registrations whose events name one.
func (s *Store) accounts(ctx context.Context, ids []string) (map[string]string, error) {
	const query = `
SELECT registration_id, max(account) AS account
FROM stripe_events
WHERE registration_id = ANY ($1) AND account IS NOT NULL
GROUP BY registration_id`
	var found []struct {
		ID      string `db:"registration_id"`
		Account string `db:"account"`
	}
	if err := s.db.SelectContext(ctx, &found, query, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("select accounts: %w", err)
	}
	out := map[string]string{}
	for _, f := range found {
		out[f.ID] = f.Account
	}
	return out, nil
}

// session is the Checkout session that the row is about: the platform's, or else the one its latest fact names.
func (r *row) session() string {
	session, latest := r.Session, time.Time{}
	for _, f := range r.facts {
		if r.Session == "" && f.Session != "" && !f.Created.Before(latest) {
			session, latest = f.Session, f.Created
		}
	}
	return session
}
