package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// PostgreSQL's error codes that somebody branches on; see its manual's appendix A.
const (
	undefinedTable       = "42P01"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
)

// maxConflicts bounds how often a transaction that lost to another is tried again.
const maxConflicts = 50

// errVanished is that a registration was deleted after facts had been linked to it.
var errVanished = errors.New("a registration was deleted meanwhile")

// tx is a transaction with the time at which it works; without a Tx its statements run on the pool.
type tx struct {
	*sqlx.Tx
	statements statements
	now        time.Time
	thorough   bool // see Store
}

// on returns a statement bound to the transaction, or to the pool where there is none.
func (t *tx) on(ctx context.Context, s *sqlx.Stmt) *sqlx.Stmt {
	if t.Tx == nil {
		return s
	}
	return t.StmtxContext(ctx, s)
}

// each calls scan with every row of a query, and closes it.
func (t *tx) each(ctx context.Context, s *sqlx.Stmt, scan func(*sql.Rows) error, args ...any) error {
	rows, err := t.on(ctx, s).QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// withTx runs work in one transaction, again where it lost to a concurrent one. Work may run several times,
// and does nothing that a rollback does not undo.
func (s *Store) withTx(ctx context.Context, work func(*tx) error) error {
	return persist(ctx, func() error { return s.once(ctx, work) })
}

// persist does something again where it lost to a concurrent transaction.
func persist(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || !isConflict(err) || try == maxConflicts {
			return err
		}
		pause := time.Duration(rand.IntN(10*min(try, 10))+1) * time.Millisecond // #nosec G404 -- jitter
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (s *Store) once(ctx context.Context, work func(*tx) error) error {
	t, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := work(&tx{Tx: t, statements: s.statements, now: s.now(), thorough: s.thorough}); err != nil {
		_ = t.Rollback() // what went wrong is err; a lost connection rolls back by itself
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func isConflict(err error) bool {
	if errors.Is(err, errVanished) {
		return true
	}
	switch code(err) {
	case serializationFailure, deadlockDetected, lockNotAvailable:
		return true
	}
	return false
}

// IsDataError says whether PostgreSQL refused what was to be stored, so that trying the same again is no use:
// a connection, a shut-down, a full disk or a lock are not that.
func IsDataError(err error) bool {
	switch c := code(err); {
	case len(c) < 2:
		return false
	case c[:2] == "21", c[:2] == "22", c[:2] == "23", c[:2] == "54", c == "P0001":
		return true
	}
	return false
}

func code(err error) string {
	var e *pq.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return ""
}
