package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// Change is a registration whose status or place changed.
type Change struct {
	RegistrationID string
	From, To       registration.Status
	SeatHeld       bool
}

// row is a registration as it is stored, and what is to become of it.
type row struct {
	registration.Registration
	eventID              string
	status               registration.Status
	cause                registration.Cause
	seatWished, seatHeld bool
	attention            []string
	deadline, paidAt     time.Time
	removed, due         bool
	clear                bool // it need not be due any longer
	facts                []registration.Fact
	state                registration.State
	willHold             bool
	raised               []registration.Attention
	willRaise            []string // its flags
	mails                []registration.Mail
}

const registrationColumns = `
       r.id,
       r.event_id,
       r.created_at,
       r.amount_due,
       r.currency,
       r.checkout_session_id,
       r.checkout_set_at,
       r.checkout_created_at,
       r.checkout_expires_at,
       r.status,
       r.cause,
       r.seat_wished,
       r.seat_held,
       r.attention,
       r.deadline,
       r.paid_at,
       r.removed_at IS NOT NULL,
       r.due_at IS NOT NULL`

const loadRegistrationsQuery = `
SELECT` + registrationColumns + `
FROM registrations r
WHERE r.id = ANY ($1)
ORDER BY r.id`

const factColumns = `
       f.registration_id,
       f.id,
       f.kind,
       f.source,
       f.created,
       f.session_id,
       f.intent_id,
       f.charge_id,
       f.detail`

// A row is a registration or a fact.
const lockRegistrationsQuery = `
SELECT` + registrationColumns + `,` + factColumns + `
FROM guichet_lock_registrations($1) locked
CROSS JOIN LATERAL (SELECT (locked.registration).*) r
CROSS JOIN LATERAL (SELECT (locked.fact).*) f`

// settle makes the registrations to which facts were linked, and the due ones, what their facts say. It locks
// them, so that no two transactions settle one at once. Known is for what it was looked whether facts wait: a
// row with another session stays due.
func (s *Store) settle(ctx context.Context, t *tx, linked, due []string, known keys) ([]Change, error) {
	ids := unique(slices.Concat(linked, due))
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := t.lockRegistrations(ctx, ids)
	if err != nil {
		return nil, err
	}
	there := make(map[string]bool, len(rows))
	for _, r := range rows {
		there[r.ID] = true
		_, looked := known.sessions[r.Session]
		r.clear = looked || r.Session == ""
	}
	if slices.ContainsFunc(linked, func(id string) bool { return !there[id] }) {
		return nil, errVanished
	}
	for _, r := range rows {
		r.state = registration.Settle(r.Registration, r.facts, s.policy)
	}
	if err := t.grantSeats(ctx, rows); err != nil {
		return nil, err
	}
	if s.mailing.off() {
		t.hush(rows, linked, s.policy)
	}
	return t.write(ctx, rows, s.mailing)
}

// lockRegistrations locks registrations and reads them with their facts. It leaves out those that are not there.
func (t *tx) lockRegistrations(ctx context.Context, ids []string) ([]*row, error) {
	var out []*row
	byID := make(map[string]*row, len(ids))
	err := t.each(ctx, t.statements.lockRegistrations, func(rows *sql.Rows) error {
		var of string
		var f factRow
		r, err := scanRow(rows, f.columns(&of)...)
		switch {
		case err != nil:
			return err
		case of == "":
			byID[r.ID] = r
			out = append(out, r)
			return nil
		case byID[of] == nil: // it was deleted meanwhile
			return nil
		}
		return byID[of].addFact(f)
	}, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("lock registrations: %w", err)
	}
	return out, nil
}

// registrations reads rows by id. It leaves out those that are not there.
func (t *tx) registrations(ctx context.Context, ids []string) ([]*row, error) {
	var out []*row
	err := t.each(ctx, t.statements.loadRegistrations, func(rows *sql.Rows) error {
		r, err := scanRow(rows)
		out = append(out, r)
		return err
	}, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("load registrations: %w", err)
	}
	return out, nil
}

// scanRow reads a row of registrationColumns and of more.
func scanRow(rows *sql.Rows, more ...any) (*row, error) {
	r := &row{}
	times := []*time.Time{&r.SessionSetAt, &r.SessionCreatedAt, &r.SessionExpiresAt, &r.deadline, &r.paidAt}
	err := rows.Scan(append([]any{
		null(&r.ID), null(&r.eventID), null(&r.CreatedAt), &r.AmountDue, null(&r.Currency), null(&r.Session), null(times[0]), null(times[1]), null(times[2]),
		null(&r.status), null(&r.cause), null(&r.seatWished), null(&r.seatHeld), (*pq.StringArray)(&r.attention), null(times[3]), null(times[4]), &r.removed, &r.due,
	}, more...)...)
	for _, t := range times {
		*t = t.UTC()
	}
	return r, err
}

const loadFactsQuery = `
SELECT` + factColumns + `
FROM stripe_events f
WHERE f.registration_id = ANY ($1)`

// loadFacts reads the facts of the rows.
func (t *tx) loadFacts(ctx context.Context, of []*row) error {
	byID := make(map[string]*row, len(of))
	ids := make([]string, 0, len(of))
	for _, r := range of {
		byID[r.ID] = r
		ids = append(ids, r.ID)
	}
	err := t.each(ctx, t.statements.loadFacts, func(rows *sql.Rows) error {
		var of string
		var f factRow
		if err := rows.Scan(f.columns(&of)...); err != nil {
			return err
		}
		return byID[of].addFact(f)
	}, pq.Array(ids))
	if err != nil {
		return fmt.Errorf("load facts: %w", err)
	}
	return nil
}

func (r *row) addFact(f factRow) error {
	fact, err := f.fact()
	r.facts = append(r.facts, fact)
	return err
}

// columns are what factColumns is read into.
func (r *factRow) columns(of *string) []any {
	return []any{null(of), null(&r.id), null(&r.kind), null(&r.source), null(&r.created), &r.session, &r.intent, &r.charge, null(&r.detail)}
}

// null reads a column that may be null into a value, as its zero value.
func null[T any](into *T) sql.Scanner { return nullable[T]{into} }

type nullable[T any] struct{ into *T }

func (n nullable[T]) Scan(from any) error {
	var v sql.Null[T]
	err := v.Scan(from)
	*n.into = v.V
	return err
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
