package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

// Lock names something that one worker does at a time.
type Lock string

// The locks.
const (
	CleanupLock Lock = "cleanup"
	SweepLock   Lock = "sweep"
)

// unlockTimeout bounds how long a lock is given back politely.
const unlockTimeout = 2 * time.Second

// Alone runs work unless another program on this database and schema holds the lock; it says whether it ran.
// The lock is advisory and lives on a connection of its own: work must be right without it too.
func (s *Store) Alone(ctx context.Context, lock Lock, work func(context.Context) error) (ran bool, err error) {
	const (
		key    = `hashtextextended('guichet ' || $1 || ' ' || current_schema(), 0)`
		take   = `SELECT pg_try_advisory_lock(` + key + `)`
		giveUp = `SELECT pg_advisory_unlock(` + key + `)`
	)
	conn, err := s.db.Connx(ctx)
	if err != nil {
		return false, fmt.Errorf("take lock %s: %w", lock, err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.GetContext(ctx, &ran, take, string(lock)); err != nil || !ran {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
		defer cancel()
		if _, err := conn.ExecContext(ctx, giveUp, string(lock)); err != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // the connection's end gives it back
		}
	}()
	return true, work(ctx)
}
