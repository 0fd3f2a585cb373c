package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
)

// Lock names something that one worker does at a time.
type Lock string

// The locks.
const (
	CleanupLock Lock = "cleanup"
	SweepLock   Lock = "sweep"
)

// Alone runs work unless another program on this database and schema holds the lock; it says whether it ran.
// The lock is advisory and lives on a connection of its own: work must be right without it too.
func (s *Store) Alone(ctx context.Context, lock Lock, work func(context.Context) error) (ran bool, err error) {
	const take = `SELECT pg_try_advisory_lock(hashtextextended('guichet ' || $1 || ' ' || current_schema(), 0))`
	conn, err := s.db.Connx(ctx)
	if err != nil {
		return false, fmt.Errorf("take lock %s: %w", lock, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.GetContext(ctx, &ran, take, string(lock)); err != nil || !ran {
		return false, err
	}
	defer func() {
		// The connection's end gives the lock back, whatever state it is in.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}()
	return true, work(ctx)
}
