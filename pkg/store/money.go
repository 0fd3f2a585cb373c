package store

import (
	"context"
	"fmt"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// The kinds of concern that no flag of attention names.
const (
	SeatWithoutMoney = "seat_without_money" // no payment stands, and the place is held nonetheless
	OpenDispute      = "open_dispute"
)

// Concern is money and a place that do not go together, or money at stake.
type Concern struct {
	// Kind is a flag of attention, or one of the above.
	Kind           string              `db:"kind" json:"kind"`
	RegistrationID string              `db:"registration_id" json:"registration,omitempty"`
	Names          string              `db:"registration_ref" json:"names,omitempty"` // where there is no such registration
	EventID        string              `db:"event_id" json:"event,omitempty"`
	EventTitle     string              `db:"title" json:"title,omitempty"`
	Status         registration.Status `db:"status" json:"status,omitempty"`
	Object         string              `db:"object" json:"object,omitempty"` // a payment, a refund or a dispute
	FactID         string              `db:"fact_id" json:"fact,omitempty"`
	Amount         *int64              `db:"amount" json:"amount,omitempty"` // minor units
	Currency       string              `db:"currency" json:"currency,omitempty"`
	AmountDue      *int64              `db:"amount_due" json:"amount_due,omitempty"`
	Since          time.Time           `db:"since" json:"since"`
	Due            *time.Time          `db:"due" json:"due,omitempty"` // of a dispute's evidence
	// Overdue says of a place without money that its deadline has passed, rather than that its status gave it up.
	Overdue   bool  `db:"overdue" json:"overdue,omitempty"`
	Attention int64 `db:"number" json:"attention,omitempty"` // its number
	Seen      bool  `db:"seen" json:"seen,omitempty"`        // acknowledged
}

const concernsQuery = `
WITH concerns AS (
    SELECT 'paid_without_seat' AS kind, r.id AS registration_id, a.fact_id, a.object, coalesce(a.raised_at, r.paid_at, r.created_at) AS since,
           NULL::timestamptz AS due, false AS overdue, a.id AS number, a.acknowledged_at IS NOT NULL AS seen
    FROM registrations r
    LEFT JOIN LATERAL (
        SELECT *
        FROM attention
        WHERE coalesce(registration_id, '') = r.id AND flag = 'paid_without_seat' AND cleared_at IS NULL
        ORDER BY id DESC
        LIMIT 1) a ON true
    WHERE r.status = 'PAID' AND r.seat_wished AND NOT r.seat_held
    UNION ALL
    SELECT flag, registration_id, fact_id, object, raised_at, NULL, false, id, acknowledged_at IS NOT NULL
    FROM attention
    WHERE cleared_at IS NULL AND flag NOT IN ('paid_without_seat', 'unlinked_dispute')
    UNION ALL
    SELECT 'seat_without_money', id, NULL, NULL, coalesce(CASE WHEN deadline <= $1 THEN deadline END, removed_at, created_at), NULL,
           seat_wished AND status IN ('PENDING', 'FAILED'), NULL, false
    FROM registrations
    WHERE seat_held AND (deadline <= $1 OR NOT seat_wished OR status IN ('CANCELED', 'EXPIRED', 'REFUNDED'))
    UNION ALL
    SELECT CASE d.outcome WHEN 'waiting' THEN 'unlinked_dispute' ELSE 'open_dispute' END, d.registration_id, d.id, d.detail ->> 'dispute',
           d.created, (d.detail ->> 'due_by')::timestamptz, false, a.id, false
    FROM (
        SELECT DISTINCT ON (detail ->> 'dispute') id, outcome, registration_id, created, detail
        FROM stripe_events
        WHERE kind = 'disputed' AND outcome <> 'ignored'
        ORDER BY detail ->> 'dispute', created, id) d
    LEFT JOIN attention a ON a.fact_id = d.id AND a.registration_id IS NULL AND a.flag = 'unlinked_dispute' AND a.cleared_at IS NULL
    WHERE NOT EXISTS (SELECT FROM stripe_events c WHERE c.kind = 'dispute_closed' AND c.outcome <> 'ignored' AND c.detail ->> 'dispute' = d.detail ->> 'dispute')
)
SELECT c.kind,
       coalesce(c.registration_id, '') AS registration_id,
       CASE WHEN c.registration_id IS NULL THEN coalesce(f.registration_ref, '') ELSE '' END AS registration_ref,
       coalesce(r.event_id, '') AS event_id,
       coalesce(e.title, '') AS title,
       coalesce(r.status, '') AS status,
       coalesce(c.object, '') AS object,
       coalesce(c.fact_id, '') AS fact_id,
       coalesce((f.detail ->> 'amount')::bigint, CASE WHEN f.kind = 'paid' THEN 0 ELSE r.amount_due END) AS amount,
       upper(coalesce(f.detail ->> 'currency', r.currency, '')) AS currency,
       r.amount_due,
       c.since,
       c.due,
       c.overdue,
       coalesce(c.number, 0) AS number,
       c.seen
FROM concerns c
LEFT JOIN registrations r ON r.id = c.registration_id
LEFT JOIN events e ON e.id = r.event_id
LEFT JOIN stripe_events f ON f.id = c.fact_id
WHERE $2 OR NOT c.seen
ORDER BY c.due NULLS LAST, c.since, c.registration_id, c.kind, c.object
LIMIT $3`

// Concerns returns where money and places do not go together, and what is at stake: what has a due date first,
// then what is oldest, up to limit of them. With all set it returns also what somebody has acknowledged.
func (s *Store) Concerns(ctx context.Context, all bool, limit int) ([]Concern, error) {
	out := []Concern{} // an empty list, not null, for programs
	err := s.report(ctx, func(t *tx) error {
		return t.SelectContext(ctx, &out, concernsQuery, t.now, all, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("look for concerns about money: %w", err)
	}
	return out, nil
}
