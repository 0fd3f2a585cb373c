package store

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// A row that has been given another session since is asked about anew.
const selectPendingQuery = `
SELECT r.id
FROM registrations r
WHERE r.status = 'PENDING' AND (r.deadline IS NULL OR r.deadline > $4)
    AND r.created_at <= $1 AND (r.checkout_set_at IS NULL OR r.checkout_set_at <= $1)
    AND (r.asked_at IS NULL OR r.asked_at <= $2 OR r.asked_at < r.checkout_set_at)
ORDER BY r.asked_at NULLS FIRST, r.id
LIMIT $3`

// Pending returns up to limit registrations that have been pending for as long as age and that Stripe was not
// asked about within again, those first that were not for longest. One whose deadline has passed is cleanup's.
func (s *Store) Pending(ctx context.Context, age, again time.Duration, limit int) ([]Standing, error) {
	now := s.now()
	var ids []string
	if err := s.db.SelectContext(ctx, &ids, selectPendingQuery, now.Add(-age), now.Add(-again), limit, now); err != nil {
		return nil, fmt.Errorf("select pending registrations: %w", err)
	}
	return s.standings(ctx, ids, now)
}

// NotePending notes that Stripe was asked about pending registrations. Those that another transaction holds are
// left out, and asked about again.
func (s *Store) NotePending(ctx context.Context, ids []string) error {
	const query = `
UPDATE registrations r
SET asked_at = $2
FROM (
    SELECT id
    FROM registrations
    WHERE id = ANY ($1)
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
) asked
WHERE r.id = asked.id`
	if _, err := s.db.ExecContext(ctx, query, pq.Array(ids), s.now()); err != nil {
		return fmt.Errorf("note which registrations were asked about: %w", err)
	}
	return nil
}
