package store

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// Stored says which of the events are in the inbox.
func (s *Store) Stored(ctx context.Context, ids []string) (map[string]bool, error) {
	const query = `SELECT id FROM stripe_events WHERE id = ANY ($1)`
	return s.which(ctx, "look events up", query, pq.Array(ids))
}

// Backfilled says which of the events were brought into the stream within a time, whatever became of them.
func (s *Store) Backfilled(ctx context.Context, ids []string, within time.Duration) (map[string]bool, error) {
	const query = `SELECT event_id FROM backfilled WHERE event_id = ANY ($1) AND published_at >= $2`
	return s.which(ctx, "look backfilled events up", query, pq.Array(ids), s.now().Add(-within))
}

func (s *Store) which(ctx context.Context, what, query string, args ...any) (map[string]bool, error) {
	var found []string
	if err := s.db.SelectContext(ctx, &found, query, args...); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	out := make(map[string]bool, len(found))
	for _, id := range found {
		out[id] = true
	}
	return out, nil
}

// NoteBackfilled notes that events were brought into the stream.
func (s *Store) NoteBackfilled(ctx context.Context, ids []string) error {
	const query = `
INSERT INTO backfilled (event_id, published_at)
SELECT id, $2
FROM unnest($1::text[]) AS e (id)
ORDER BY id
ON CONFLICT (event_id) DO UPDATE SET published_at = excluded.published_at`
	if _, err := s.db.ExecContext(ctx, query, pq.Array(unique(ids)), s.now()); err != nil {
		return fmt.Errorf("note backfilled events: %w", err)
	}
	return nil
}

// ForgetBackfilled forgets what was brought in longer ago than a time.
func (s *Store) ForgetBackfilled(ctx context.Context, age time.Duration) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM backfilled WHERE published_at < $1`, s.now().Add(-age)); err != nil {
		return fmt.Errorf("forget backfilled events: %w", err)
	}
	return nil
}

// Mark is the time up to which something was done whole; zero where it never was.
func (s *Store) Mark(ctx context.Context, name string) (time.Time, error) {
	var at *time.Time
	if err := s.db.GetContext(ctx, &at, `SELECT max(at) FROM marks WHERE name = $1`, name); err != nil {
		return time.Time{}, fmt.Errorf("read mark %s: %w", name, err)
	}
	return orZero(at), nil
}

// SetMark moves a mark forward, never back.
func (s *Store) SetMark(ctx context.Context, name string, at time.Time) error {
	const query = `
INSERT INTO marks (name, at)
VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET at = greatest(marks.at, excluded.at)`
	if _, err := s.db.ExecContext(ctx, query, name, at); err != nil {
		return fmt.Errorf("set mark %s: %w", name, err)
	}
	return nil
}
