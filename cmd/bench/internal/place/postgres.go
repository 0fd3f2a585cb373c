package place

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver

	"github.com/educareschool/guichet/pkg/localpg"
	"github.com/educareschool/guichet/pkg/store"
)

// Postgres is a PostgreSQL of this place's own, durable, with its defaults but for shared_buffers.
type Postgres struct {
	server *localpg.Server
	pid    int
	admin  *sqlx.DB
}

// Postgres starts the server at the first call.
func (p *Place) Postgres(ctx context.Context) (*Postgres, error) {
	if p.postgres != nil {
		return p.postgres, nil
	}
	dir, err := p.Dir("postgres")
	if err != nil {
		return nil, err
	}
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir, SharedBuffers: sharedBuffers()})
	if err != nil {
		return nil, err
	}
	p.last = append(p.last, func() error { return os.RemoveAll(server.DataDir()) }, server.Stop) // the data may be outside our folder
	pid, err := os.ReadFile(filepath.Join(server.DataDir(), "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(string(pid), "\n")
	db := &Postgres{server: server}
	if db.pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		return nil, fmt.Errorf("PostgreSQL's process: %w", err)
	}
	if db.admin, err = sqlx.ConnectContext(ctx, "postgres", server.URL("postgres")); err != nil {
		return nil, err
	}
	p.last = append(p.last, db.admin.Close)
	p.postgres = db
	return db, nil
}

// sharedBuffers is a quarter of the machine's memory, as PostgreSQL's manual (19.4.1) says to begin with, up to 4 GB.
func sharedBuffers() string {
	const atLeast, most = 128, 4096 // MiB; PostgreSQL's default, and enough for ten million rows
	return fmt.Sprintf("%dMB", max(atLeast, min(memoryMiB()/4, most)))
}

// URL is that of a database.
func (p *Postgres) URL(database string) string { return p.server.URL(database) }

// CPU is the processor time of all the server's processes so far.
func (p *Postgres) CPU() (time.Duration, error) { return familyCPU(p.pid) }

// Version is the server's.
func (p *Postgres) Version(ctx context.Context) (string, error) {
	var version string
	err := p.admin.GetContext(ctx, &version, `SHOW server_version`)
	return version, err
}

// Migrated makes a database with Guichet's tables, and fills it.
func (p *Postgres) Migrated(ctx context.Context, name string, fill func(*sqlx.DB) error) error {
	if err := p.Drop(ctx, name); err != nil {
		return err
	}
	if err := p.server.CreateDatabase(ctx, name); err != nil {
		return err
	}
	if _, _, err := store.Migrate(ctx, p.URL(name)); err != nil {
		return err
	}
	db, err := sqlx.ConnectContext(ctx, "postgres", p.URL(name))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if fill == nil {
		return nil
	}
	if err := fill(db); err != nil {
		return fmt.Errorf("fill database %s: %w", name, err)
	}
	return nil
}

// Copy makes a database anew as a copy of another, to which nobody may be connected, and settles the disk.
func (p *Postgres) Copy(ctx context.Context, from, name string) error {
	if err := p.Drop(ctx, name); err != nil {
		return err
	}
	if _, err := p.admin.ExecContext(ctx, fmt.Sprintf("CREATE DATABASE %q TEMPLATE %q", name, from)); err != nil {
		return fmt.Errorf("copy database %s: %w", from, err)
	}
	return p.Checkpoint(ctx)
}

// Checkpoint writes everything down now, so that no measurement pays for the one before.
func (p *Postgres) Checkpoint(ctx context.Context) error {
	if _, err := p.admin.ExecContext(ctx, "CHECKPOINT"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Drop removes a database, if it is there.
func (p *Postgres) Drop(ctx context.Context, name string) error {
	if _, err := p.admin.ExecContext(ctx, fmt.Sprintf("DROP DATABASE IF EXISTS %q WITH (FORCE)", name)); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// Count is a query's one number.
func (p *Postgres) Count(ctx context.Context, database, query string, args ...any) (int, error) {
	db, err := sqlx.ConnectContext(ctx, "postgres", p.URL(database))
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }()
	var n int
	if err := db.GetContext(ctx, &n, query, args...); err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	return n, nil
}

// PostgresVersion is that of the server; empty where none was needed.
func (p *Place) PostgresVersion(ctx context.Context) (string, error) {
	if p.postgres == nil {
		return "", nil
	}
	return p.postgres.Version(ctx)
}
