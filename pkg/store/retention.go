package store

import (
	"context"
	"fmt"
	"time"
)

const blankQuery = `
UPDATE registrations r
SET email = '', name = NULL
FROM (
    SELECT id
    FROM registrations
    WHERE removed_at <= $1 AND removed_at IS NOT NULL AND (email <> '' OR name IS NOT NULL)
    ORDER BY removed_at
    LIMIT $2
    FOR NO KEY UPDATE SKIP LOCKED
) old
WHERE r.id = old.id`

// Blank takes the personal fields out of registrations removed longer than retention ago, up to limit of
// them, and says how many there were. The rows stay for the books.
func (s *Store) Blank(ctx context.Context, retention time.Duration, limit int) (int64, error) {
	done, err := s.db.ExecContext(ctx, blankQuery, s.now().Add(-retention), limit)
	if err != nil {
		return 0, fmt.Errorf("blank old registrations: %w", err)
	}
	return done.RowsAffected()
}
