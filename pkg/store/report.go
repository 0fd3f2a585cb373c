package store

import (
	"context"
	"database/sql"
	"fmt"
)

// snapshot runs look-ups in one snapshot, unable to write, each by its index, whatever the planner knows of the tables:
// of a restored database it knows nothing yet. It waits for no lock that settling takes.
func (s *Store) snapshot(ctx context.Context, read func(*tx) error) error {
	t, err := s.db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = t.Rollback() }() // it wrote nothing
	return read(&tx{Tx: t, statements: s.statements, now: s.now()})
}

// report runs queries for people as snapshot does, but with all that the planner knows, which the worker's settings
// take from it: for those that read whole tables.
func (s *Store) report(ctx context.Context, read func(*tx) error) error {
	const planner = `
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;
SET LOCAL enable_bitmapscan = on`
	return s.snapshot(ctx, func(t *tx) error {
		if _, err := t.ExecContext(ctx, planner); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		return read(t)
	})
}
