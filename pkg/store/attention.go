package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// Attention raised is written beside the row's flags: what is new is inserted, what came back is raised
// again, and what is gone is cleared.
const syncAttentionQuery = `
WITH wanted AS (
    SELECT w.id, w.flag, w.object, w.fact
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS w (id, flag, object, fact)
), raised AS (
    INSERT INTO attention (registration_id, fact_id, flag, object, raised_at)
    SELECT w.id, w.fact, w.flag, w.object, $1::timestamptz
    FROM wanted w
    ON CONFLICT (coalesce(registration_id, ''), flag, object) DO UPDATE
    SET cleared_at = NULL
    WHERE attention.cleared_at IS NOT NULL
)
UPDATE attention a
SET cleared_at = $1::timestamptz
WHERE coalesce(a.registration_id, '') = ANY ($6) AND a.cleared_at IS NULL
    AND NOT EXISTS (SELECT FROM wanted w WHERE w.id = a.registration_id AND w.flag = a.flag AND w.object = a.object)`

// syncAttention makes the occurrences of the rows' attention what their states raise.
func (t *tx) syncAttention(ctx context.Context, rows []*row) error {
	var touched, ids, flags, objects, facts []string
	for _, r := range rows {
		if len(r.willRaise)+len(r.attention) == 0 && !t.thorough {
			continue
		}
		touched = append(touched, r.ID)
		for _, a := range r.raised {
			ids, flags = append(ids, r.ID), append(flags, string(a.Flag))
			objects, facts = append(objects, a.Object), append(facts, a.Fact.ID)
		}
	}
	if len(touched) == 0 {
		return nil
	}
	_, err := t.on(ctx, t.statements.syncAttention).ExecContext(ctx,
		t.now, pq.Array(ids), pq.Array(flags), pq.Array(objects), pq.Array(facts), pq.Array(touched))
	if err != nil {
		return fmt.Errorf("write attention: %w", err)
	}
	return nil
}

// A payment that names a registration which is not there, and a dispute that nothing ties to one. A succeeded
// intent says no more than the payment that waits beside it.
const raiseUnlinkedQuery = `
WITH raised AS (
    INSERT INTO attention (fact_id, flag, object, raised_at)
    SELECT f.id, CASE f.kind WHEN 'disputed' THEN 'unlinked_dispute' ELSE 'unknown_registration' END, f.id, $1::timestamptz
    FROM stripe_events f
    WHERE f.outcome = 'waiting' AND f.stored_at <= $2
        AND (f.kind = 'disputed'
            OR f.kind IN ('paid', 'payment_processing') AND f.registration_ref IS NOT NULL
            OR f.kind = 'intent_succeeded' AND f.registration_ref IS NOT NULL AND NOT EXISTS (
                SELECT
                FROM stripe_events p
                WHERE p.intent_id = f.intent_id AND p.outcome = 'waiting' AND p.kind IN ('paid', 'payment_processing')))
        AND NOT EXISTS (SELECT FROM attention a WHERE a.fact_id = f.id AND a.registration_id IS NULL)
    ORDER BY f.stored_at
    LIMIT $3
    FOR NO KEY UPDATE OF f SKIP LOCKED -- who links one meanwhile clears it afterwards, or has done so
    ON CONFLICT DO NOTHING
    RETURNING fact_id, flag, object
)
INSERT INTO notifications (fact_id, kind, slot, created_at, send_after)
SELECT fact_id, 'attention', 'attention:' || flag || ':' || object, $1::timestamptz, $1::timestamptz
FROM raised
ON CONFLICT DO NOTHING`

// It is a statement of its own, to see what was raised before the facts were locked.
const clearUnlinkedQuery = `
UPDATE attention
SET cleared_at = $1
WHERE fact_id = ANY ($2) AND registration_id IS NULL AND cleared_at IS NULL`

// clearUnlinked clears the attention of facts that have found their registration.
func (t *tx) clearUnlinked(ctx context.Context, facts []string) error {
	if _, err := t.on(ctx, t.statements.clearUnlinked).ExecContext(ctx, t.now, pq.Array(facts)); err != nil {
		return fmt.Errorf("clear attention of linked facts: %w", err)
	}
	return nil
}

// RaiseUnlinked raises the attention of facts that have waited for as long as age, up to limit of them, and
// says how many there were.
func (s *Store) RaiseUnlinked(ctx context.Context, age time.Duration, limit int) (int64, error) {
	now := s.now()
	done, err := s.db.ExecContext(ctx, raiseUnlinkedQuery, now, now.Add(-age), limit)
	if err != nil {
		return 0, fmt.Errorf("raise attention of unlinked facts: %w", err)
	}
	return done.RowsAffected()
}

const unconfirmedQuery = `
SELECT r.id,
       f.intent_id,
       coalesce(f.charge_id, ''),
       coalesce((f.detail ->> 'amount')::bigint, 0),
       coalesce(f.detail ->> 'currency', ''),
       f.stored_at,
       f.livemode,
       coalesce(f.account, '')
FROM registrations r
JOIN stripe_events f ON f.registration_id = r.id AND f.kind = 'intent_succeeded' AND f.stored_at <= $1
WHERE r.status = 'PENDING' AND r.deadline IS NULL
    AND NOT EXISTS (SELECT FROM stripe_events u WHERE u.registration_id = r.id AND u.kind = 'unconfirmed' AND u.intent_id = f.intent_id)
ORDER BY r.id
LIMIT $2`

// Unconfirmed returns the clock's facts about intents that succeeded as long as age ago and that no payment
// has confirmed, up to limit of them. They go through Process as any other.
func (s *Store) Unconfirmed(ctx context.Context, age time.Duration, limit int) ([]Received, error) {
	rows, err := s.db.QueryContext(ctx, unconfirmedQuery, s.now().Add(-age), limit)
	if err != nil {
		return nil, fmt.Errorf("select unconfirmed payments: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []Received
	for rows.Next() {
		var id, account string
		var stored time.Time
		var live bool
		f := registration.Fact{Kind: registration.Unconfirmed, Source: registration.FromClock}
		if err := rows.Scan(&id, &f.Intent, &f.Charge, &f.Amount, &f.Currency, &stored, &live, &account); err != nil {
			return nil, fmt.Errorf("select unconfirmed payments: %w", err)
		}
		f.ID, f.Created = string(registration.Unconfirmed)+":"+id+":"+f.Intent, stored.Add(age).Truncate(time.Second)
		e := Own(id, f)
		e.Livemode, e.Account = live, account
		out = append(out, e)
	}
	return out, rows.Err()
}

// Occurrence is attention that was raised.
type Occurrence struct {
	ID             int64      `db:"id" json:"id"`
	RegistrationID string     `db:"registration_id" json:"registration,omitempty"`
	FactID         string     `db:"fact_id" json:"event,omitempty"`
	Flag           string     `db:"flag" json:"flag"`
	Object         string     `db:"object" json:"object"`
	RaisedAt       time.Time  `db:"raised_at" json:"raised_at"`
	ClearedAt      *time.Time `db:"cleared_at" json:"cleared_at,omitempty"`
	AcknowledgedAt *time.Time `db:"acknowledged_at" json:"acknowledged_at,omitempty"`
	AcknowledgedBy string     `db:"acknowledged_by" json:"acknowledged_by,omitempty"`
	Note           string     `db:"note" json:"note,omitempty"`
}

const occurrenceColumns = `
SELECT id,
       coalesce(registration_id, '') AS registration_id,
       coalesce(fact_id, '') AS fact_id,
       flag,
       object,
       raised_at,
       cleared_at,
       acknowledged_at,
       coalesce(acknowledged_by, '') AS acknowledged_by,
       coalesce(note, '') AS note
FROM attention`

const occurrencesQuery = occurrenceColumns + `
WHERE $1 OR cleared_at IS NULL AND acknowledged_at IS NULL
ORDER BY raised_at DESC, id DESC
LIMIT $2`

// Attention returns what waits for a person, newest first, or with all set also what is settled.
func (s *Store) Attention(ctx context.Context, all bool, limit int) ([]Occurrence, error) {
	out := []Occurrence{} // an empty list, not null, for programs
	err := s.report(ctx, func(t *tx) error { return t.SelectContext(ctx, &out, occurrencesQuery, all, limit) })
	if err != nil {
		return nil, fmt.Errorf("list attention: %w", err)
	}
	return out, nil
}

// ErrNoSuchAttention is returned by Acknowledge.
var ErrNoSuchAttention = errors.New("no such attention is open")

// Acknowledge notes that a person has seen to an occurrence, and what they say of it. Its flag stays on the
// registration for as long as its cause is there.
func (s *Store) Acknowledge(ctx context.Context, id int64, by, note string) error {
	const query = `
UPDATE attention
SET acknowledged_at = $2, acknowledged_by = $3, note = $4
WHERE id = $1 AND acknowledged_at IS NULL`
	done, err := s.db.ExecContext(ctx, query, id, s.now(), by, note)
	if err != nil {
		return fmt.Errorf("acknowledge attention %d: %w", id, err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("%w with number %d", ErrNoSuchAttention, id), err)
	}
	return nil
}
