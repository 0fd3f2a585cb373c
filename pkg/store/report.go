package store

import (
	"context"
	"database/sql"
	"fmt"
)

// report runs queries for people: in one snapshot, unable to write, and with all that the planner knows, which
// the worker's settings take from it. It waits for no lock that settling takes.
func (s *Store) report(ctx context.Context, read func(*tx) error) error {
	const planner = `
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;
SET LOCAL enable_bitmapscan = on`
	t, err := s.db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = t.Rollback() }() // it wrote nothing
	if _, err := t.ExecContext(ctx, planner); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return read(&tx{Tx: t, statements: s.statements, now: s.now()})
}
