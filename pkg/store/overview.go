package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// countable is up to what size in bytes a table is counted row by row: some ten thousand rows, in a moment.
const countable = 32 << 20

// Count is how many rows there are: counted, or what PostgreSQL's planner expects from its last look.
type Count struct {
	Count     int64 `json:"count"`
	Estimated bool  `json:"estimated,omitempty"`
}

// Places are an event's: those held, and how many have paid and wait for one. Without a Capacity they are unlimited.
type Places struct {
	ID       string `db:"id" json:"id"`
	Title    string `db:"title" json:"title"`
	Capacity *int64 `db:"capacity" json:"capacity"`
	Held     int64  `db:"held" json:"held"`
	Waiting  int64  `db:"waiting" json:"waiting"`
}

// Overview is what the database holds, for people.
type Overview struct {
	Figures
	Inbox         map[string]Count     // events by outcome; Guichet's own facts are among them
	Outbox        map[MailStatus]Count // mails by status
	Registrations map[registration.Status]int64
	Places        []Places // of the fullest events among the next and the newest
	Operations    []Operation
}

// Overview reads what waits and counts what there is, with the places of so many events and the last so many
// operations. It stays quick with millions of rows: of a large inbox or outbox what waits is counted, and the
// rest is the planner's estimate.
func (s *Store) Overview(ctx context.Context, events, operations int) (Overview, error) {
	var o Overview
	var err error
	if o.Figures, err = s.Figures(ctx, events); err != nil {
		return o, err
	}
	if o.Registrations, err = s.CountRegistrations(ctx); err != nil {
		return o, err
	}
	if o.Operations, err = s.Operations(ctx, "", operations); err != nil {
		return o, err
	}
	err = s.report(ctx, func(t *tx) error {
		inbox, err := t.count(ctx, "stripe_events", "outcome", []string{EventSettled, EventWaiting, EventIgnored})
		if err != nil {
			return err
		}
		o.Inbox = inbox
		mails, err := t.count(ctx, "notifications", "status",
			[]string{string(MailPending), string(MailSent), string(MailDropped), string(MailFailed), string(MailSuppressed)})
		if err != nil {
			return err
		}
		o.Outbox = map[MailStatus]Count{}
		for status, n := range mails {
			o.Outbox[MailStatus(status)] = n
		}
		return t.places(ctx, &o)
	})
	if err != nil {
		return Overview{}, err
	}
	// What waits is known better than by an estimate.
	if o.Inbox[EventWaiting].Estimated && o.Unlinked.Count < figuresLimit {
		o.Inbox[EventWaiting] = Count{Count: o.Unlinked.Count}
	}
	for status, n := range map[MailStatus]int64{MailPending: o.Mails.Count, MailFailed: o.MailsFailed} {
		if o.Outbox[status].Estimated && n < figuresLimit {
			o.Outbox[status] = Count{Count: n}
		}
	}
	return o, nil
}

// count counts a table's rows by a column's values: exactly where it is small, or where the planner knows nothing of it yet.
func (t *tx) count(ctx context.Context, table, column string, values []string) (map[string]Count, error) {
	const sizeQuery = `SELECT pg_relation_size(oid) <= $2 OR reltuples < 0 FROM pg_class WHERE oid = $1::regclass`
	var exact bool
	if err := t.GetContext(ctx, &exact, sizeQuery, table, countable); err != nil {
		return nil, fmt.Errorf("size of %s: %w", table, err)
	}
	out := map[string]Count{}
	for _, v := range values {
		out[v] = Count{}
	}
	if !exact {
		for _, v := range values {
			n, err := t.estimate(ctx, "SELECT FROM "+table+" WHERE "+column+" = "+pq.QuoteLiteral(v))
			if err != nil {
				return nil, fmt.Errorf("estimate %s: %w", table, err)
			}
			out[v] = Count{n, true}
		}
		return out, nil
	}
	var found []struct {
		Value string `db:"value"`
		Count int64  `db:"count"`
	}
	query := `SELECT ` + column + ` AS value, count(*) AS count FROM ` + table + ` GROUP BY 1`
	if err := t.SelectContext(ctx, &found, query); err != nil {
		return nil, fmt.Errorf("count %s: %w", table, err)
	}
	for _, f := range found {
		out[f.Value] = Count{Count: f.Count}
	}
	return out, nil
}

// estimate is how many rows the planner expects of a query.
func (t *tx) estimate(ctx context.Context, query string) (int64, error) {
	var text []byte
	if err := t.GetContext(ctx, &text, "EXPLAIN (FORMAT JSON) "+query); err != nil {
		return 0, err
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		} `json:"Plan"`
	}
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
		return 0, fmt.Errorf("read the plan: %w", err)
	}
	if plans[0].Plan.Rows <= 1 { // it never says fewer, also where it has seen none
		return 0, nil
	}
	return int64(plans[0].Plan.Rows), nil
}

const placesQuery = `
SELECT e.id,
       e.title,
       e.capacity,
       e.seats_held AS held,
       (SELECT count(*) FROM registrations r WHERE r.event_id = e.id AND r.status = 'PAID' AND r.seat_wished AND NOT r.seat_held) AS waiting
FROM events e
JOIN unnest($1::text[]) WITH ORDINALITY AS k (id, n) ON k.id = e.id
ORDER BY k.n`

// places tells more of the events whose seats are among the figures, in their order.
func (t *tx) places(ctx context.Context, o *Overview) error {
	ids := make([]string, 0, len(o.Seats))
	for _, e := range o.Seats {
		ids = append(ids, e.ID)
	}
	if err := t.SelectContext(ctx, &o.Places, placesQuery, pq.Array(ids)); err != nil {
		return fmt.Errorf("read places: %w", err)
	}
	return nil
}
