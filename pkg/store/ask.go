package store

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// Question is an event of which nothing known tells whose it is: Stripe may.
type Question struct {
	ID      string `db:"id"`
	Account string `db:"account"`
	Intent  string `db:"intent"`
	Charge  string `db:"charge"`
}

const questionsQuery = `
SELECT id,
       coalesce(account, '') AS account,
       coalesce(intent_id, '') AS intent,
       coalesce(charge_id, '') AS charge
FROM stripe_events
WHERE outcome = 'waiting' AND stored_at >= $1 AND registration_ref IS NULL
    AND source = 'stripe' AND (intent_id IS NOT NULL OR charge_id IS NOT NULL)
    AND (asked_at IS NULL OR asked_at <= $2)
ORDER BY stored_at
LIMIT $3`

// Questions returns up to limit events that wait without naming a registration, stored within age and not
// asked about within again.
func (s *Store) Questions(ctx context.Context, age, again time.Duration, limit int) ([]Question, error) {
	var out []Question
	now := s.now()
	if err := s.db.SelectContext(ctx, &out, questionsQuery, now.Add(-age), now.Add(-again), limit); err != nil {
		return nil, fmt.Errorf("select events to ask about: %w", err)
	}
	return out, nil
}

// Asked notes that Stripe was asked about events.
func (s *Store) Asked(ctx context.Context, ids []string) error {
	const query = `UPDATE stripe_events SET asked_at = $1 WHERE id = ANY ($2) AND outcome = 'waiting'`
	if _, err := s.db.ExecContext(ctx, query, s.now(), pq.Array(ids)); err != nil {
		return fmt.Errorf("note what was asked: %w", err)
	}
	return nil
}
