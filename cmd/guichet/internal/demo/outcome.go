package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// An event has had its effect when it is stored and its registration's mails have gone.
const effectQuery = `
SELECT count(*) > 0
FROM stripe_events f
WHERE f.id = $1 AND NOT EXISTS (
    SELECT FROM notifications n WHERE n.registration_id = f.registration_id AND n.status = 'pending')`

// mailPatience bounds how long the demo waits for the mails of one event, which an SMTP server may delay.
const mailPatience = 5 * time.Second

func (p *play) effect(ctx context.Context, event string) error {
	ctx, cancel := context.WithTimeout(ctx, mailPatience)
	defer cancel()
	for {
		var done bool
		if err := p.db.GetContext(ctx, &done, effectQuery, event); err != nil && ctx.Err() == nil {
			return fmt.Errorf("read event %s: %w", event, err)
		}
		select {
		case <-ctx.Done():
			return nil // the outcome is awaited at the end
		case <-time.After(pollInterval):
			if done {
				return nil
			}
		}
	}
}

const pollInterval = 20 * time.Millisecond

const outcomeQuery = `
SELECT r.status,
       r.seat_held,
       r.email = '' AND r.name IS NULL AS blank,
       r.due_at IS NOT NULL OR EXISTS (
           SELECT FROM notifications n WHERE n.registration_id = r.id AND n.status = 'pending') AS unfinished,
       coalesce((
           SELECT string_agg(n.kind, ', ' ORDER BY n.id)
           FROM notifications n
           WHERE n.registration_id = r.id AND n.status = 'sent'), '') AS mails
FROM registrations r
WHERE r.id = $1`

const placesQuery = `
SELECT e.title, a.capacity, a.held, a.remaining
FROM event_availability a
JOIN events e ON e.id = a.event_id
WHERE a.event_id = ANY ($1)
ORDER BY e.id`

// settled waits until every case has come to what the guide promises and its mails are sent, and fills in the report.
func (p *play) settled(ctx context.Context, report *Report) error {
	for i := range report.Outcomes {
		if err := p.await(ctx, &report.Outcomes[i]); err != nil {
			return err
		}
	}
	events := []string{p.workshop, p.last}
	if p.target.Holds != nil {
		events = append(events, p.rush)
	}
	if err := p.db.SelectContext(ctx, &report.Places, placesQuery, pq.Array(events)); err != nil {
		return fmt.Errorf("read places: %w", err)
	}
	return nil
}

// await waits until a case has come to its end and its mails are sent.
func (p *play) await(ctx context.Context, o *Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		var blank, unfinished bool
		err := p.db.QueryRowContext(ctx, outcomeQuery, o.Registration).Scan(&o.Status, &o.Seat, &blank, &unfinished, &o.Mails)
		if err != nil {
			return fmt.Errorf("read %s: %w", o.Registration, err)
		}
		is := end{o.Status, o.Seat, blank}
		if is == o.want && !unfinished {
			return nil
		}
		select {
		case <-ctx.Done():
			if is == o.want { // its mails take their time, which is the SMTP server's affair
				return nil
			}
			return fmt.Errorf("%q is %s, not %s, after %s", o.Case, is, o.want, settleTimeout)
		case <-tick.C:
		}
	}
}

// String says the end in words.
func (e end) String() string {
	words := e.status + " without a place"
	if e.seat {
		words = e.status + " with a place"
	}
	if e.blank {
		words += ", name and address gone"
	}
	return words
}
