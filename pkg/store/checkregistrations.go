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

// Range picks registrations: those with an id above After and up to To, which may be open, or those of IDs.
type Range struct {
	After, To string
	IDs       []string
	// Since leaves out those that were made before it and of which nothing has been stored since.
	Since time.Time
}

// RegistrationCheck is how registrations compare with what their facts say.
type RegistrationCheck struct {
	Checked int
	// Due are those that the platform has changed and that are not settled yet: they are no differences.
	Due         int
	Differences []Difference
	// Unseated are those that paid and have no place although one is free. One may just have come free.
	Unseated []string
	// Misplaced are the facts that are linked to another registration than they should be.
	Misplaced []string
}

// Ranges calls each with ranges of about size registrations, by id, until there are no more.
func (s *Store) Ranges(ctx context.Context, size int, each func(Range) error) error {
	const query = `
SELECT max(id) FROM (SELECT id FROM registrations WHERE id > $1 ORDER BY id LIMIT $2) next`
	for after := ""; ; {
		var to *string
		if err := s.db.GetContext(ctx, &to, query, after, size); err != nil {
			return fmt.Errorf("list registrations: %w", err)
		}
		if to == nil {
			return nil
		}
		if err := each(Range{After: after, To: *to}); err != nil {
			return err
		}
		after = *to
	}
}

// CheckRegistrations settles registrations anew, and compares with what is stored. It reads them and their facts in
// one snapshot, in which whatever a transaction settled is whole, and stores nothing.
func (s *Store) CheckRegistrations(ctx context.Context, of Range) (RegistrationCheck, error) {
	var check RegistrationCheck
	err := s.snapshot(ctx, func(t *tx) error {
		rows, err := t.rangeRows(ctx, of)
		if err != nil || len(rows) == 0 {
			return err
		}
		check.Checked = len(rows)
		rows = slices.DeleteFunc(rows, func(r *row) bool { return r.due })
		check.Due = check.Checked - len(rows)
		facts, err := t.linkedFacts(ctx, rows)
		if err != nil {
			return err
		}
		raised, err := t.openAttention(ctx, rows)
		if err != nil {
			return err
		}
		for _, r := range rows {
			check.add(s.compare(r, facts[r.ID], raised[r.ID]))
		}
		if err := t.checkLinks(ctx, rows, facts, &check); err != nil {
			return err
		}
		return t.checkUnseated(ctx, rows, &check)
	})
	return check, err
}

func (c *RegistrationCheck) add(found []Difference) { c.Differences = append(c.Differences, found...) }

// compare settles a row and lists the fields that are other than its facts say.
func (s *Store) compare(r *row, facts []linkedFact, raised []string) []Difference {
	c := comparison{about: AboutRegistration, id: r.ID}
	r.facts = make([]registration.Fact, 0, len(facts))
	for _, f := range facts {
		if f.unreadable != nil {
			c.field(FieldFacts, f.fact.ID+" cannot be read", "readable facts")
			return c.found
		}
		r.facts = append(r.facts, f.fact)
	}
	r.state = registration.Settle(r.Registration, r.facts, s.policy)
	r.willHold = r.seatHeld && r.state.SeatWish
	r.raise()
	c.field("status", string(r.status), string(r.state.Status))
	c.field("cause", string(r.cause), string(r.state.Cause))
	c.flag("seat_wished", r.seatWished, r.state.SeatWish)
	c.flag("seat_held", r.seatHeld, r.willHold)
	c.time("deadline", r.deadline, r.state.Deadline)
	c.time("paid_at", r.paidAt, r.state.PaidAt)
	c.flag("removed", r.removed, r.state.Removed)
	c.list("attention", r.attention, r.willRaise)
	var should []string
	for _, a := range r.raised {
		should = append(should, string(a.Flag)+":"+a.Object)
	}
	c.list("attention raised", unique(raised), unique(should))
	return c.found
}

const rangeQuery = `
SELECT` + registrationColumns + `
FROM registrations r
WHERE ($1::text[] IS NULL OR r.id = ANY ($1)) AND r.id > $2 AND ($3 = '' OR r.id <= $3)
    AND ($4::timestamptz IS NULL OR r.created_at >= $4
        OR EXISTS (SELECT FROM stripe_events f WHERE f.registration_id = r.id AND f.stored_at >= $4))
ORDER BY r.id`

func (t *tx) rangeRows(ctx context.Context, of Range) ([]*row, error) {
	var ids any
	if of.IDs != nil {
		ids = pq.Array(of.IDs)
	}
	var since *time.Time
	if !of.Since.IsZero() {
		since = &of.Since
	}
	rows, err := t.QueryContext(ctx, rangeQuery, ids, of.After, of.To, since)
	if err != nil {
		return nil, fmt.Errorf("load registrations: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []*row
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return nil, fmt.Errorf("load registrations: %w", err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// linkedFact is a fact with what tells whether it is linked rightly.
type linkedFact struct {
	fact       registration.Fact
	ref        string
	unreadable error
}

const linkedFactsQuery = `
SELECT f.registration_id, f.id, f.kind, f.source, f.created, f.session_id, f.intent_id, f.charge_id, f.detail, coalesce(f.registration_ref, '')
FROM stripe_events f
WHERE f.registration_id = ANY ($1)`

// linkedFacts returns the facts of rows by registration.
func (t *tx) linkedFacts(ctx context.Context, of []*row) (map[string][]linkedFact, error) {
	out := make(map[string][]linkedFact, len(of))
	rows, err := t.QueryContext(ctx, linkedFactsQuery, pq.Array(rowIDs(of)))
	if err != nil {
		return nil, fmt.Errorf("load facts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		var f factRow
		var l linkedFact
		if err := rows.Scan(&id, &f.id, &f.kind, &f.source, &f.created, &f.session, &f.intent, &f.charge, &f.detail, &l.ref); err != nil {
			return nil, fmt.Errorf("load facts: %w", err)
		}
		l.fact, l.unreadable = f.fact()
		l.fact.ID = f.id
		out[id] = append(out[id], l)
	}
	return out, rows.Err()
}

func rowIDs(rows []*row) []string {
	ids := make([]string, 0, len(rows))
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

// openAttention returns the occurrences that are raised, as "flag:object", by registration.
func (t *tx) openAttention(ctx context.Context, of []*row) (map[string][]string, error) {
	const query = `
SELECT a.registration_id, a.flag || ':' || a.object
FROM attention a
WHERE coalesce(a.registration_id, '') = ANY ($1) AND a.cleared_at IS NULL`
	out := map[string][]string{}
	rows, err := t.QueryContext(ctx, query, pq.Array(rowIDs(of)))
	if err != nil {
		return nil, fmt.Errorf("load attention: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, occurrence string
		if err := rows.Scan(&id, &occurrence); err != nil {
			return nil, fmt.Errorf("load attention: %w", err)
		}
		out[id] = append(out[id], occurrence)
	}
	return out, rows.Err()
}

// checkUnseated notes who paid and has no place although one is free.
func (t *tx) checkUnseated(ctx context.Context, rows []*row, check *RegistrationCheck) error {
	const query = `
SELECT e.id
FROM events e
WHERE e.id = ANY ($1) AND (e.capacity IS NULL OR e.seats_held < e.capacity)`
	var events []string
	for _, r := range rows {
		if r.unseated() {
			events = append(events, r.eventID)
		}
	}
	if len(events) == 0 {
		return nil
	}
	var free []string
	if err := t.SelectContext(ctx, &free, query, pq.Array(unique(events))); err != nil {
		return fmt.Errorf("look for free places: %w", err)
	}
	for _, r := range rows {
		if r.unseated() && slices.Contains(free, r.eventID) {
			check.Unseated = append(check.Unseated, r.ID)
		}
	}
	return nil
}

func (r *row) unseated() bool {
	return r.state.Status == registration.PaidStatus && r.state.SeatWish && !r.seatHeld
}

// Unseated is the difference of one who paid and has no place although one is free.
func Unseated(id string) Difference {
	return Difference{AboutRegistration, id, "seat_held", "false", "true: a place is free"}
}

const seatCountsQuery = `
SELECT e.id, e.seats_held, count(r.id)
FROM events e
LEFT JOIN registrations r ON r.event_id = e.id AND r.seat_held
WHERE $1::text IS NULL OR e.id = (SELECT event_id FROM registrations WHERE id = $1)
GROUP BY e.id
ORDER BY e.id`

// CheckSeats compares each event's count of held places, or that of one registration's event, with the rows that
// hold one, and says how many events there are.
func (s *Store) CheckSeats(ctx context.Context, registrationID string) (events int, found []Difference, err error) {
	var id sql.NullString
	if registrationID != "" {
		id = sql.NullString{String: registrationID, Valid: true}
	}
	err = s.report(ctx, func(t *tx) error {
		rows, err := t.QueryContext(ctx, seatCountsQuery, id)
		if err != nil {
			return fmt.Errorf("count places: %w", err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var id string
			var stored, held int64
			if err := rows.Scan(&id, &stored, &held); err != nil {
				return fmt.Errorf("count places: %w", err)
			}
			events++
			c := comparison{about: AboutSeats, id: id}
			c.field("seats_held", fmt.Sprint(stored), fmt.Sprint(held))
			found = append(found, c.found...)
		}
		return rows.Err()
	})
	return events, found, err
}
