package store

import (
	"context"
	"fmt"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// figuresLimit bounds what is counted one by one; a figure that reaches it means "so many or more".
const figuresLimit = 10_000

// Figures are what waits in the database, and the places of events.
type Figures struct {
	// Seats are those of the fullest events among the next and the newest ones.
	Seats []EventSeats
	// Attention is what waits for a person: neither cleared nor acknowledged.
	Attention []OpenAttention
	// Disputes are those that are not closed.
	Disputes []OpenDisputes
	// Mails that wait for their turn or for another try.
	Mails Queue
	// MailsFailed are those given up.
	MailsFailed int64
	// Unlinked are facts that wait for their registration.
	Unlinked Queue
	// Due are registrations that the platform made or changed and nobody has settled since.
	Due Queue
	// Deadlines are those that have passed.
	Deadlines Queue
}

// EventSeats are an event's places; without a Capacity they are unlimited.
type EventSeats struct {
	ID       string `db:"id"`
	Capacity *int64 `db:"capacity"`
	Held     int64  `db:"seats_held"`
}

// OpenAttention is how often a flag is raised about payments in a currency, since when, and the sum of what
// was paid, in minor units. The currency is empty where none is known.
type OpenAttention struct {
	Flag     registration.Flag `db:"flag"`
	Currency string            `db:"currency"`
	Count    int64             `db:"count"`
	Amount   int64             `db:"amount"`
	Since    time.Time         `db:"since"`
}

// OpenDisputes are how many are open in a currency, their sum in minor units, and when the next of them
// wants its evidence; nil where none does any longer, or Stripe named no time.
type OpenDisputes struct {
	Currency string     `db:"currency"`
	Count    int64      `db:"count"`
	Amount   int64      `db:"amount"`
	DueBy    *time.Time `db:"due_by"`
}

// Queue is how much waits, and since when the first of it; nil where nothing does.
type Queue struct {
	Count int64      `db:"count"`
	Since *time.Time `db:"since"`
}

// The one figure that grows with the table: it walks the whole index, and no row where autovacuum keeps up.
// The condition always holds; it is the index's.
const statusFigureQuery = `
SELECT status, count(*) AS count
FROM registrations
WHERE id <> ''
GROUP BY status`

// Two index scans of at most 200 rows each, whatever the number of events; then the fullest of those.
const seatsFigureQuery = `
SELECT id, capacity, seats_held
FROM (
    (SELECT id, capacity, seats_held FROM events WHERE starts_at >= $1 ORDER BY starts_at LIMIT 200)
    UNION ALL
    (SELECT id, capacity, seats_held FROM events WHERE starts_at IS NULL ORDER BY created_at DESC LIMIT 200)
) e
ORDER BY capacity IS NULL, seats_held::float8 / greatest(capacity, 1) DESC, id
LIMIT $2`

// The partial index holds only what is open; each of that takes a look-up of its fact and of its row by key.
const attentionFigureQuery = `
SELECT o.flag,
       lower(coalesce(f.detail ->> 'currency', r.currency, '')) AS currency,
       count(*) AS count,
       sum(coalesce((f.detail ->> 'amount')::bigint, r.amount_due, 0))::bigint AS amount,
       min(o.raised_at) AS since
FROM (
    SELECT flag, fact_id, registration_id, raised_at
    FROM attention
    WHERE cleared_at IS NULL AND acknowledged_at IS NULL
    ORDER BY raised_at
    LIMIT $1
) o
LEFT JOIN stripe_events f ON f.id = o.fact_id
LEFT JOIN registrations r ON r.id = o.registration_id
GROUP BY 1, 2`

// The partial index holds the opening and the closing of disputes, one payment in a thousand or so.
const disputesFigureQuery = `
SELECT o.currency,
       count(*) AS count,
       sum(o.amount)::bigint AS amount,
       min(o.due_by) FILTER (WHERE o.due_by > $2) AS due_by
FROM (
    SELECT DISTINCT ON (d.detail ->> 'dispute')
           lower(coalesce(d.detail ->> 'currency', '')) AS currency,
           coalesce((d.detail ->> 'amount')::bigint, 0) AS amount,
           (d.detail ->> 'due_by')::timestamptz AS due_by
    FROM stripe_events d
    WHERE d.kind = 'disputed' AND d.outcome <> 'ignored'
        AND NOT EXISTS (SELECT FROM stripe_events c WHERE c.kind = 'dispute_closed' AND c.detail ->> 'dispute' = d.detail ->> 'dispute')
    ORDER BY d.detail ->> 'dispute'
    LIMIT $1
) o
GROUP BY o.currency`

// Each of these reads a partial index that holds only what waits, and stops at the limit. That stored_at is above -infinity
// always holds; it proves the index's condition also to a PostgreSQL that drops IS NOT NULL of a column that is never null.
const (
	mailsFigureQuery = `
SELECT count(*) AS count, min(created_at) AS since
FROM (SELECT created_at FROM notifications WHERE status = 'pending' ORDER BY send_after LIMIT $1) n`
	failedFigureQuery = `
SELECT count(*) AS count, NULL::timestamptz AS since
FROM (SELECT id FROM notifications WHERE status = 'failed' ORDER BY id LIMIT $1) n`
	unlinkedFigureQuery = `
SELECT count(*) AS count, min(stored_at) AS since
FROM (SELECT stored_at FROM stripe_events WHERE outcome = 'waiting' AND stored_at > '-infinity' ORDER BY stored_at LIMIT $1) f`
	dueFigureQuery = `
SELECT count(*) AS count, min(due_at) AS since
FROM (SELECT due_at FROM registrations WHERE due_at IS NOT NULL ORDER BY due_at LIMIT $1) r`
	deadlinesFigureQuery = `
SELECT count(*) AS count, min(deadline) AS since
FROM (SELECT deadline FROM registrations WHERE deadline IS NOT NULL AND deadline <= $2 ORDER BY deadline LIMIT $1) r`
)

// CountRegistrations counts them by status; each status is there. With ten million of them it takes about 0.8 s.
func (s *Store) CountRegistrations(ctx context.Context) (map[registration.Status]int64, error) {
	counts := map[registration.Status]int64{}
	for _, status := range registration.Statuses() {
		counts[status] = 0
	}
	var found []struct {
		Status registration.Status `db:"status"`
		Count  int64               `db:"count"`
	}
	if err := s.db.SelectContext(ctx, &found, statusFigureQuery); err != nil {
		return nil, fmt.Errorf("count registrations: %w", err)
	}
	for _, c := range found {
		counts[c.Status] = c.Count
	}
	return counts, nil
}

// Figures reads them all, with the places of at most so many events. It takes no lock that settling takes, and
// reads what waits and not what is done: with ten million registrations and facts, ten thousand disputes and a
// thousand flags about 0.1 s.
func (s *Store) Figures(ctx context.Context, events int) (Figures, error) {
	var f Figures
	now := s.now()
	var failed Queue
	for _, q := range []struct {
		what  string
		many  any // a slice
		one   *Queue
		query string
		args  []any
	}{
		{"seats", &f.Seats, nil, seatsFigureQuery, []any{now.Add(-24 * time.Hour), events}},
		{"attention", &f.Attention, nil, attentionFigureQuery, []any{figuresLimit}},
		{"disputes", &f.Disputes, nil, disputesFigureQuery, []any{figuresLimit, now}},
		{"mails", nil, &f.Mails, mailsFigureQuery, []any{figuresLimit}},
		{"failed mails", nil, &failed, failedFigureQuery, []any{figuresLimit}},
		{"unlinked facts", nil, &f.Unlinked, unlinkedFigureQuery, []any{figuresLimit}},
		{"due registrations", nil, &f.Due, dueFigureQuery, []any{figuresLimit}},
		{"deadlines", nil, &f.Deadlines, deadlinesFigureQuery, []any{figuresLimit, now}},
	} {
		var err error
		if q.one != nil {
			err = s.db.GetContext(ctx, q.one, q.query, q.args...)
		} else {
			err = s.db.SelectContext(ctx, q.many, q.query, q.args...)
		}
		if err != nil {
			return Figures{}, fmt.Errorf("figures of %s: %w", q.what, err)
		}
	}
	f.MailsFailed = failed.Count
	return f, nil
}
