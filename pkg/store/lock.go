package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Lock names something that one worker does at a time.
type Lock string

// The locks.
const (
	CleanupLock   Lock = "cleanup"
	SweepLock     Lock = "sweep"
	FiguresLock   Lock = "figures"
	ReconcileLock Lock = "reconcile"
)

// lockConnections are what the locks hold while their work needs others.
const lockConnections = 4

// unlockTimeout bounds how long a lock is given back politely.
const unlockTimeout = 2 * time.Second

const (
	lockKey     = `hashtextextended('guichet ' || $1 || ' ' || current_schema(), 0)`
	lockQuery   = `SELECT pg_try_advisory_lock(` + lockKey + `)`
	unlockQuery = `SELECT pg_advisory_unlock(` + lockKey + `)`
)

// Alone runs work unless another program on this database and schema holds the lock; it says whether it ran.
// The lock is advisory and lives on a connection of its own: work must be right without it too.
func (s *Store) Alone(ctx context.Context, lock Lock, work func(context.Context) error) (ran bool, err error) {
	conn, err := s.take(ctx, lock)
	if err != nil {
		return false, fmt.Errorf("take lock %s: %w", lock, err)
	}
	if conn == nil {
		return false, nil
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
		defer cancel()
		if _, err := conn.ExecContext(ctx, unlockQuery, string(lock)); err != nil {
			discard(conn)
		}
		_ = conn.Close()
	}()
	return true, work(ctx)
}

// discard ends a connection, and with it the locks that it may hold.
func discard(conn *sqlx.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// take returns the connection that holds the lock; nil where another holds it.
func (s *Store) take(ctx context.Context, lock Lock) (*sqlx.Conn, error) {
	for try := 1; ; try++ {
		conn, err := s.db.Connx(ctx)
		if err != nil {
			return nil, err
		}
		var taken bool
		err = conn.GetContext(ctx, &taken, lockQuery, string(lock))
		switch {
		case err != nil:
			discard(conn)
		case taken:
			return conn, nil
		}
		_ = conn.Close()
		// A connection that died in the pool is found out by its use.
		if !errors.Is(err, driver.ErrBadConn) || try > s.db.Stats().MaxOpenConnections {
			return nil, err
		}
	}
}
