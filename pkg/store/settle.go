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

const lockRegistrationsQuery = loadRegistrationsQuery + `
FOR NO KEY UPDATE`

// settle makes the registrations to which facts were linked, and the due ones, what their facts say. It locks
// them, so that no two transactions settle one at once. Known is for what it was looked whether facts wait: a
// row with another session stays due.
func (s *Store) settle(ctx context.Context, t *tx, linked, due []string, known keys) ([]Change, error) {
	ids := unique(slices.Concat(linked, due))
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := t.registrations(ctx, ids, true)
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
	if err := t.loadFacts(ctx, rows); err != nil {
		return nil, err
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

// registrations loads rows by id, locked or not. It leaves out those that are not there.
func (t *tx) registrations(ctx context.Context, ids []string, locked bool) ([]*row, error) {
	statement := t.statements.loadRegistrations
	if locked {
		statement = t.statements.lockRegistrations
	}
	var out []*row
	err := t.each(ctx, statement, func(rows *sql.Rows) error {
		r, err := scanRow(rows)
		out = append(out, r)
		return err
	}, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("load registrations: %w", err)
	}
	return out, nil
}

// scanRow reads a row of registrationColumns.
func scanRow(rows *sql.Rows) (*row, error) {
	r := &row{}
	var currency, session *string
	var setAt, createdAt, expiresAt, deadline, paidAt *time.Time
	err := rows.Scan(&r.ID, &r.eventID, &r.CreatedAt, &r.AmountDue, &currency, &session, &setAt, &createdAt, &expiresAt,
		&r.status, &r.cause, &r.seatWished, &r.seatHeld, (*pq.StringArray)(&r.attention), &deadline, &paidAt, &r.removed, &r.due)
	r.Currency, r.Session = deref(currency), deref(session)
	r.SessionSetAt, r.SessionCreatedAt, r.SessionExpiresAt = orZero(setAt), orZero(createdAt), orZero(expiresAt)
	r.deadline, r.paidAt = orZero(deadline), orZero(paidAt)
	return r, err
}

const loadFactsQuery = `
SELECT f.registration_id, f.id, f.kind, f.source, f.created, f.session_id, f.intent_id, f.charge_id, f.detail
FROM stripe_events f
WHERE f.registration_id = ANY ($1)`

// loadFacts reads the facts of the rows. After the lock it must be a statement of its own, to see what was committed before it.
func (t *tx) loadFacts(ctx context.Context, of []*row) error {
	byID := make(map[string]*row, len(of))
	ids := make([]string, 0, len(of))
	for _, r := range of {
		byID[r.ID] = r
		ids = append(ids, r.ID)
	}
	err := t.each(ctx, t.statements.loadFacts, func(rows *sql.Rows) error {
		var id string
		var f factRow
		if err := rows.Scan(&id, &f.id, &f.kind, &f.source, &f.created, &f.session, &f.intent, &f.charge, &f.detail); err != nil {
			return err
		}
		fact, err := f.fact()
		byID[id].facts = append(byID[id].facts, fact)
		return err
	}, pq.Array(ids))
	if err != nil {
		return fmt.Errorf("load facts: %w", err)
	}
	return nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
