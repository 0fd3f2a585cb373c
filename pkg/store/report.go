package store

import (
	"context"
	"database/sql"
	"fmt"
)

// snapshot runs look-ups in one snapshot, unable to write, each by its index, whatever the planner knows of the tables:
// of a restored database it knows nothing yet. What is not prepared is planned for its values. It waits for no lock that
// settling takes.
func (s *Store) snapshot(ctx context.Context, read func(*tx) error) error {
	t, err := s.db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = t.Rollback() }() // it wrote nothing
	in := &tx{Tx: t, statements: s.statements, now: s.now()}
	if err := in.planForValues(ctx); err != nil {
		return err
	}
	return read(in)
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

// planForValues has PostgreSQL plan the transaction's statements for the values that they are given, as it does by
// default: one with conditions that can be left out wants another plan with each of them.
func (t *tx) planForValues(ctx context.Context) error {
	if _, err := t.ExecContext(ctx, "SET LOCAL plan_cache_mode = auto"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}
