package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// versionTable is where goose keeps what was applied.
const versionTable = "guichet_schema"

// ErrSchemaTooOld is returned by Open; its message names the command that mends it.
var ErrSchemaTooOld = errors.New("the database's schema is older than this program: run `guichet setup`")

// Migration is a step of the schema that Migrate applied.
type Migration struct {
	Version int64
	Name    string
}

// Migrate brings the schema of a DATABASE_URL up to date, making it first if its search_path names one
// that is not there. It is idempotent, and safe to run from several places at once.
func Migrate(ctx context.Context, databaseURL string) (applied []Migration, version int64, err error) {
	db, err := sqlx.Open("postgres", verified(databaseURL))
	if err != nil {
		return nil, 0, fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := createSchema(ctx, db); err != nil {
		return nil, 0, err
	}
	provider, err := newProvider(db.DB)
	if err != nil {
		return nil, 0, err
	}
	results, err := provider.Up(ctx)
	for _, r := range results {
		applied = append(applied, Migration{r.Source.Version, r.Source.Path})
	}
	if err != nil {
		return applied, 0, fmt.Errorf("migrate the schema: %w", err)
	}
	version, err = provider.GetDBVersion(ctx)
	return applied, version, err
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // try each second, for five minutes
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
}

// createSchema makes the first schema of the search path, where the tables go.
func createSchema(ctx context.Context, db *sqlx.DB) error {
	const query = `SELECT current_schema() IS NULL, split_part(current_setting('search_path'), ',', 1)`
	var missing bool
	var name string
	if err := db.QueryRowContext(ctx, query).Scan(&missing, &name); err != nil {
		return fmt.Errorf("reach the database: %w", explained(err))
	}
	if !missing {
		return nil
	}
	if name = strings.TrimSpace(name); len(name) > 1 && name[0] == '"' {
		name = strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	} else {
		name = strings.ToLower(name) // as PostgreSQL reads it
	}
	// The lock keeps two from making it at once, which IF NOT EXISTS alone does not survive.
	_, err := db.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext('guichet')); CREATE SCHEMA IF NOT EXISTS "+pq.QuoteIdentifier(name))
	if err != nil {
		return fmt.Errorf("create schema %q: %w", name, err)
	}
	return nil
}

// newest is the schema version that this program needs.
func newest() (int64, error) {
	entries, err := fs.ReadDir(migrationFiles, "migrations")
	return int64(len(entries)), err
}

// schemaVersion is the schema's version; 0 where it was never set up.
func schemaVersion(ctx context.Context, db *sqlx.DB) (int64, error) {
	const query = `SELECT coalesce(max(version_id), 0) FROM ` + versionTable + ` WHERE is_applied`
	var have int64
	err := db.GetContext(ctx, &have, query)
	if code(err) == undefinedTable {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return have, nil
}

// checkSchema compares the schema's version with the one this program needs; a newer one is fine.
func checkSchema(ctx context.Context, db *sqlx.DB) error {
	need, err := newest()
	if err != nil {
		return err
	}
	have, err := schemaVersion(ctx, db)
	switch {
	case err != nil:
		return err
	case have == 0:
		return ErrSchemaTooOld
	case have < need:
		return fmt.Errorf("%w (it has version %d, and needs %d)", ErrSchemaTooOld, have, need)
	}
	return nil
}
