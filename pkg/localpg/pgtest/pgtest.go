// Package pgtest gives tests a real PostgreSQL: one server a test process, one database a test.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
	"go.uber.org/goleak"

	"github.com/educareschool/guichet/pkg/localpg"
)

// Variable names the environment variable with the URL of the server that the tests use. Set beforehand, it
// picks a server that runs already, whose user may create databases; else Run starts one and sets it.
const Variable = "GUICHET_TEST_DATABASE_URL"

const (
	startTimeout    = 2 * time.Minute
	databaseTimeout = time.Minute
	prefix          = "guichet-pgtest-"
	abandonedAfter  = 24 * time.Hour // longer than any test runs
)

// Run runs a package's tests with a server for Database, and returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//
// It fails where there is no PostgreSQL, and where the tests leave goroutines behind.
func Run(m *testing.M) int {
	stop, err := provide()
	if err != nil {
		return fail(os.Stderr, err)
	}
	code := m.Run()
	if err := stop(); err != nil {
		return fail(os.Stderr, err)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			return fail(os.Stderr, err)
		}
	}
	return code
}

func fail(w io.Writer, err error) int {
	_, _ = fmt.Fprintln(w, "pgtest:", err)
	return 1
}

// provide sets Variable, and returns what takes the server away again.
func provide() (func() error, error) {
	if os.Getenv(Variable) != "" {
		return func() error { return nil }, nil
	}
	removeAbandoned()
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	// Root's server runs as another user, who must reach what is below.
	if err := os.Chmod(dir, 0o711); err != nil { // #nosec G302 -- nothing in it can be listed or read
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir, Lazy: true})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop := func() error {
		return errors.Join(os.Unsetenv(Variable), server.Stop(), os.RemoveAll(server.DataDir()), os.RemoveAll(dir))
	}
	if err := os.Setenv(Variable, server.URL("postgres")); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// removeAbandoned deletes the folders of test processes that were killed; their servers ended with them.
func removeAbandoned() {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range old {
		if info, err := os.Stat(filepath.Join(dir, "postgres.lock")); err != nil || time.Since(info.ModTime()) < abandonedAfter {
			continue
		}
		_ = os.RemoveAll(dir)
	}
}

// Database returns the URL of a new, empty database of the test's own; it is dropped when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	server := os.Getenv(Variable)
	if server == "" {
		t.Fatal("pgtest.Database needs a server: let the package's TestMain call pgtest.Run")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is not a URL", Variable)
	}
	name := "test_" + strings.ToLower(rand.Text()[:12])
	if err := execute(server, "CREATE DATABASE "+pq.QuoteIdentifier(name)); err != nil {
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(server, "DROP DATABASE "+pq.QuoteIdentifier(name)+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

func execute(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	db, err := sql.Open("postgres", server)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}
