package pgtest_test

import (
	"database/sql"
	"net/url"
	"os"
	"testing"

	_ "github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func open(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestDatabase_IsEmptyAndTheTestsOwn(t *testing.T) {
	t.Parallel()
	first, second := pgtest.Database(t), pgtest.Database(t)
	if first == second {
		t.Fatal("two calls gave the same database")
	}
	if _, err := open(t, first).ExecContext(t.Context(), "CREATE TABLE places (id int)"); err != nil {
		t.Fatal(err)
	}
	var tables int
	err := open(t, second).QueryRowContext(t.Context(),
		"SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'").Scan(&tables)
	if err != nil || tables != 0 {
		t.Fatalf("the other database has %d tables (%v), want none", tables, err)
	}
}

func TestDatabase_IsDroppedWithItsTestEvenWhileConnected(t *testing.T) {
	t.Parallel()
	var address string
	var left *sql.DB
	t.Run("uses a database", func(t *testing.T) {
		address = pgtest.Database(t)
		var err error
		if left, err = sql.Open("postgres", address); err != nil {
			t.Fatal(err)
		}
		if err := left.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	defer func() { _ = left.Close() }()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var there bool
	err = open(t, os.Getenv(pgtest.Variable)).QueryRowContext(t.Context(),
		"SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", u.Path[1:]).Scan(&there)
	if err != nil || there {
		t.Fatalf("the database is still there: %v (%v)", there, err)
	}
}
