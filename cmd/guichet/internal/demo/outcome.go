package demo

import (
	"context"
	"fmt"
	"time"
)

const outcomeQuery = `
SELECT r.status,
       r.seat_held,
       array_to_string(r.attention, ', '),
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
WHERE a.event_id IN ($1, $2)
ORDER BY e.id`

// settled waits until every case has come to what the guide promises and its mails are sent, and fills in the report.
func (p *play) settled(ctx context.Context, report *Report) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for i := range report.Outcomes {
		if err := p.await(ctx, &report.Outcomes[i]); err != nil {
			return err
		}
	}
	if err := p.db.SelectContext(ctx, &report.Places, placesQuery, p.workshop, p.last); err != nil {
		return fmt.Errorf("demo: read places: %w", err)
	}
	return nil
}

func (p *play) await(ctx context.Context, o *Outcome) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var unfinished bool
		err := p.db.QueryRowContext(ctx, outcomeQuery, o.Registration).Scan(&o.Status, &o.Seat, &o.Attention, &unfinished, &o.Mails)
		if err != nil {
			return fmt.Errorf("demo: read %s: %w", o.Registration, err)
		}
		if o.Status == o.Want && !unfinished {
			return nil
		}
		select {
		case <-ctx.Done():
			if o.Status == o.Want { // its mails take their time, which is the SMTP server's affair
				return nil
			}
			return fmt.Errorf("demo: %q is %s, not %s, after %s; the log above says why", o.Case, o.Status, o.Want, settleTimeout)
		case <-tick.C:
		}
	}
}
