package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Inspection is what a database says of itself, whether or not Guichet could work on it.
type Inspection struct {
	Server         string // its version
	Schema, Needed int64  // versions; a Schema of 0 was never set up
	// Ahead is how far this machine's clock is ahead of the database's.
	Ahead time.Duration
	// Durable says that what is committed is on disk.
	Durable bool
}

// inspectTimeout is how long an inspection waits for the connection; the driver knows whole seconds.
const inspectTimeout = "5"

// Inspect looks at the database of a DATABASE_URL, and changes nothing.
func Inspect(ctx context.Context, databaseURL string, now func() time.Time) (Inspection, error) {
	db, err := sqlx.Open("postgres", with(databaseURL, map[string]string{"connect_timeout": inspectTimeout, "application_name": "guichet"}))
	if err != nil {
		return Inspection{}, fmt.Errorf("open database: %w", err)
	}
	defer func() { _ = db.Close() }()
	var i Inspection
	if err := db.PingContext(ctx); err != nil {
		return i, fmt.Errorf("reach the database: %w", err)
	}
	const query = `SELECT current_setting('server_version'), current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off', clock_timestamp()`
	var theirs time.Time
	begun := now()
	if err := db.QueryRowContext(ctx, query).Scan(&i.Server, &i.Durable, &theirs); err != nil {
		return i, fmt.Errorf("ask the database about itself: %w", err)
	}
	i.Ahead = begun.Add(now().Sub(begun) / 2).Sub(theirs)
	if i.Needed, err = newest(); err != nil {
		return i, err
	}
	i.Schema, err = schemaVersion(ctx, db)
	return i, err
}
