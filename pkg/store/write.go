package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// What a batch changes is written by one statement. A slot that exists is not mailed again; one whose mail
// was dropped because the state had stopped wanting it is wanted again. New mails get the status given; one that
// waits to be sent goes on waiting, and one that is suppressed stays so. The seats' trigger runs at the end.
const writeQuery = `
WITH history AS (
    INSERT INTO registration_history (registration_id, at, from_status, to_status, cause, seat_held, fact_id)
    SELECT h.id, $1::timestamptz, h.from_status, h.to_status, h.cause, h.held, nullif(h.fact, '')
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[])
        AS h (id, from_status, to_status, cause, held, fact)
), mails AS (
    INSERT INTO notifications (registration_id, fact_id, kind, slot, status, created_at, send_after)
    SELECT m.id, m.fact, m.kind, m.slot, $24::text, $1::timestamptz, $1::timestamptz + m.delay * interval '1 second'
    FROM unnest($8::text[], $9::text[], $10::text[], $11::text[], $12::float8[], $13::text[])
        AS m (id, fact, kind, slot, delay, same)
    WHERE m.same = '' OR NOT EXISTS (
        SELECT
        FROM notifications n
        WHERE coalesce(n.registration_id, '') = m.id AND n.slot = ANY (string_to_array(m.same, E'\n')) AND n.status <> 'dropped')
    ON CONFLICT (coalesce(registration_id, ''), slot) DO UPDATE
    SET status = CASE notifications.status WHEN 'pending' THEN 'pending' ELSE excluded.status END, kind = excluded.kind, fact_id = excluded.fact_id, created_at = excluded.created_at,
        send_after = excluded.send_after, attempts = 0, last_error = NULL
    WHERE notifications.status = 'dropped' OR notifications.status = 'pending' AND notifications.kind <> excluded.kind
)
UPDATE registrations r
SET status = c.status,
    cause = c.cause,
    seat_wished = c.wished,
    seat_held = c.held,
    attention = string_to_array(c.attention, ' '),
    deadline = nullif(c.deadline, '')::timestamptz,
    paid_at = nullif(c.paid_at, '')::timestamptz,
    removed_at = CASE WHEN c.removed THEN coalesce(r.removed_at, $1::timestamptz) END,
    due_at = CASE WHEN NOT c.clear THEN r.due_at END
FROM unnest($14::text[], $15::text[], $16::text[], $17::boolean[], $18::boolean[], $19::text[], $20::text[], $21::text[], $22::boolean[],
            $23::boolean[])
    AS c (id, status, cause, wished, held, attention, deadline, paid_at, removed, clear)
WHERE r.id = c.id`

// Rows that are as their facts say and were due are due no longer.
const clearDueQuery = `
UPDATE registrations
SET due_at = NULL
WHERE id = ANY ($1)`

// write stores what settling changed.
func (t *tx) write(ctx context.Context, rows []*row, m mailing) ([]Change, error) {
	w := writing{mailing: m}
	var changes []Change
	var due []string
	for _, r := range rows {
		w.addMails(r)
		switch {
		case r.changed():
			w.addState(r)
			if r.moved() {
				w.addHistory(r)
				changes = append(changes, Change{r.ID, r.status, r.state.Status, r.willHold})
			}
		case r.due && r.clear:
			due = append(due, r.ID)
		}
	}
	if len(w.ids)+len(w.mailSlots) > 0 {
		if _, err := t.on(ctx, t.statements.write).ExecContext(ctx, w.arrays(t.now)...); err != nil {
			return nil, fmt.Errorf("write registrations: %w", err)
		}
	}
	if err := t.syncAttention(ctx, rows); err != nil {
		return nil, err
	}
	if len(due) > 0 {
		if _, err := t.on(ctx, t.statements.clearDue).ExecContext(ctx, pq.Array(due)); err != nil {
			return nil, fmt.Errorf("clear due registrations: %w", err)
		}
	}
	return changes, nil
}

// changed says whether anything stored differs from what it is to be.
func (r *row) changed() bool {
	s := r.state
	return r.moved() || r.seatWished != s.SeatWish || r.removed != s.Removed ||
		timeText(r.deadline) != timeText(s.Deadline) || timeText(r.paidAt) != timeText(s.PaidAt) ||
		!slices.Equal(r.attention, r.willRaise)
}

// moved says whether there is something for the history.
func (r *row) moved() bool {
	return r.status != r.state.Status || r.cause != r.state.Cause || r.seatHeld != r.willHold
}

// writing are the rows that writeQuery takes, turned by a quarter.
type writing struct {
	mailing
	historyIDs, from, to, historyCauses, historyFacts   []string
	historyHeld                                         []bool
	mailIDs, mailFacts, mailKinds, mailSlots, mailSames []string
	mailDelays                                          []float64
	ids, statuses, causes, attentions, deadlines, paid  []string
	wished, held, removed, clear                        []bool
}

func (w *writing) addHistory(r *row) {
	w.historyIDs = append(w.historyIDs, r.ID)
	w.from = append(w.from, string(r.status))
	w.to = append(w.to, string(r.state.Status))
	w.historyCauses = append(w.historyCauses, string(r.state.Cause))
	w.historyHeld = append(w.historyHeld, r.willHold)
	w.historyFacts = append(w.historyFacts, r.state.Decisive)
}

func (w *writing) addMails(r *row) {
	for _, m := range r.mails {
		var delay float64
		if m.Kind == registration.MailActionRequired {
			delay = w.actionDelay.Seconds()
		}
		w.mailIDs = append(w.mailIDs, r.ID)
		w.mailFacts = append(w.mailFacts, m.Fact.ID)
		w.mailKinds = append(w.mailKinds, string(m.Kind))
		w.mailSlots = append(w.mailSlots, m.Slot)
		w.mailDelays = append(w.mailDelays, delay)
		w.mailSames = append(w.mailSames, strings.Join(m.Same, "\n"))
	}
}

func (w *writing) addState(r *row) {
	w.ids = append(w.ids, r.ID)
	w.statuses = append(w.statuses, string(r.state.Status))
	w.causes = append(w.causes, string(r.state.Cause))
	w.wished = append(w.wished, r.state.SeatWish)
	w.held = append(w.held, r.willHold)
	w.attentions = append(w.attentions, strings.Join(r.willRaise, " "))
	w.deadlines = append(w.deadlines, timeText(r.state.Deadline))
	w.paid = append(w.paid, timeText(r.state.PaidAt))
	w.removed = append(w.removed, r.state.Removed)
	w.clear = append(w.clear, r.clear)
}

func (w *writing) arrays(now time.Time) []any {
	return []any{
		now,
		pq.Array(w.historyIDs), pq.Array(w.from), pq.Array(w.to), pq.Array(w.historyCauses), pq.Array(w.historyHeld), pq.Array(w.historyFacts),
		pq.Array(w.mailIDs), pq.Array(w.mailFacts), pq.Array(w.mailKinds), pq.Array(w.mailSlots), pq.Array(w.mailDelays), pq.Array(w.mailSames),
		pq.Array(w.ids), pq.Array(w.statuses), pq.Array(w.causes), pq.Array(w.wished), pq.Array(w.held), pq.Array(w.attentions),
		pq.Array(w.deadlines), pq.Array(w.paid), pq.Array(w.removed), pq.Array(w.clear),
		string(w.status),
	}
}
