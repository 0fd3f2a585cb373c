package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// All events whose places move are locked in one statement, gains and releases: locking the gaining ones
// only, and leaving the others to the trigger, deadlocks.
const lockEventsQuery = `
SELECT e.id, e.capacity, e.seats_held
FROM events e
WHERE e.id = ANY ($1)
ORDER BY e.id
FOR NO KEY UPDATE`

// Those who paid and wait for a place come before a batch's own wishes.
const countWaitingQuery = `
SELECT r.event_id, count(*)
FROM registrations r
WHERE r.event_id = ANY ($1) AND r.status = 'PAID' AND r.seat_wished AND NOT r.seat_held AND r.id NOT IN (SELECT unnest($2::text[]))
GROUP BY r.event_id`

// grantSeats decides which of the locked rows will hold a place.
func (t *tx) grantSeats(ctx context.Context, rows []*row) error {
	var events []string
	gains := false
	for _, r := range rows {
		r.willHold = r.seatHeld && r.state.SeatWish
		if r.state.SeatWish != r.seatHeld {
			events = append(events, r.eventID)
			gains = gains || r.state.SeatWish
		}
	}
	if len(events) > 0 {
		free, err := t.lockEvents(ctx, unique(events))
		if err != nil {
			return err
		}
		if gains {
			if err := t.grant(ctx, rows, free); err != nil {
				return err
			}
		}
	}
	for _, r := range rows {
		r.raise()
	}
	return nil
}

// raise adds the attention that is the store's, which alone knows the places, to that of the facts.
func (r *row) raise() {
	r.mails, r.raised = r.state.Mails, nil
	raised := r.state.Attention
	if r.paid() && !r.willHold {
		a := r.withoutSeat()
		r.mails, raised = append(r.mails, a.Mail()), append(raised, a)
	}
	flags := make([]string, 0, len(raised))
	for _, a := range raised {
		flags = append(flags, string(a.Flag))
		again := func(b registration.Attention) bool { return a.Flag == b.Flag && a.Object == b.Object }
		if !slices.ContainsFunc(r.raised, again) { // facts that contradict each other may raise one twice
			r.raised = append(r.raised, a)
		}
	}
	r.willRaise = unique(flags)
}

// withoutSeat is the attention that a payment raises which found no place; one payment raises it once.
func (r *row) withoutSeat() registration.Attention {
	i := slices.IndexFunc(r.facts, func(f registration.Fact) bool { return f.ID == r.state.Decisive })
	fact := r.facts[i]
	return registration.Attention{Flag: registration.PaidWithoutSeat, Object: cmp.Or(fact.Intent, fact.Session), Fact: fact}
}

// unlimited stands for the free places of an event without a capacity.
const unlimited = int64(1) << 40

func (t *tx) lockEvents(ctx context.Context, ids []string) (map[string]int64, error) {
	free := map[string]int64{}
	err := t.each(ctx, t.statements.lockEvents, func(rows *sql.Rows) error {
		var id string
		var capacity *int64
		var held int64
		err := rows.Scan(&id, &capacity, &held)
		free[id] = unlimited
		if capacity != nil {
			free[id] = *capacity - held
		}
		return err
	}, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("lock events: %w", err)
	}
	return free, nil
}

// grant gives the free places, those that the batch itself releases among them, to the rows that wish for one:
// who has paid first, by time of payment.
func (t *tx) grant(ctx context.Context, rows []*row, free map[string]int64) error {
	var wishing []*row
	var events, ids []string
	for _, r := range rows {
		switch {
		case r.state.SeatWish && !r.seatHeld:
			wishing = append(wishing, r)
			events = append(events, r.eventID)
			ids = append(ids, r.ID)
		case r.seatHeld && !r.state.SeatWish:
			free[r.eventID]++
		}
	}
	err := t.each(ctx, t.statements.countWaiting, func(rows *sql.Rows) error {
		var id string
		var n int64
		err := rows.Scan(&id, &n)
		free[id] -= n
		return err
	}, pq.Array(unique(events)), pq.Array(ids))
	if err != nil {
		return fmt.Errorf("count those who wait for a place: %w", err)
	}
	slices.SortStableFunc(wishing, func(a, b *row) int {
		return cmp.Or(cmpBool(b.paid(), a.paid()), a.state.PaidAt.Compare(b.state.PaidAt), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range wishing {
		if free[r.eventID] > 0 {
			free[r.eventID]--
			r.willHold = true
		}
	}
	return nil
}

func (r *row) paid() bool { return r.state.Status == registration.PaidStatus }

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
