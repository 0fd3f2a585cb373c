// Package localpg runs a private PostgreSQL from the machine's own binaries: for `guichet dev` and for tests.
//
// The server listens on loopback only, asks for a password that only this folder's owner can read, and ends
// with the process that started it, however that ends. PostgreSQL refuses to run as root; when this process
// is root, the server runs as the user postgres, or else nobody.
package localpg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/filelock"
)

// superuser owns every database of the server.
const superuser = "guichet"

// Options says where the server keeps its data and how it syncs them.
type Options struct {
	// Dir is a folder for this server alone; made if missing, and used by one server at a time.
	Dir string
	// Lazy gives up every durability for speed: for tests only.
	Lazy bool
	// SharedBuffers is PostgreSQL's setting of that name, such as "1GB"; empty is its default.
	SharedBuffers string
}

// Server is a running PostgreSQL.
type Server struct {
	dir, data string
	password  string
	port      int
	account   account
	lock      *os.File
	process   *process

	stopping sync.Mutex
	stopped  bool
}

// Start runs a server on the folder, making its data there first when there are none, and returns once it
// answers. The context bounds the start only. The error wraps ErrNotInstalled where the machine has no
// PostgreSQL, and ErrInUse where another process has a server on this folder.
func Start(ctx context.Context, o Options) (*Server, error) {
	dir, err := makeDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL's folder: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, lock: lock}
	if err := s.start(ctx, o); err != nil {
		filelock.Release(lock)
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func makeDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("none is given")
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711 // the server's user must reach what is below
	}
	if err := os.MkdirAll(absolute, mode); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(absolute)
}

func (s *Server) start(ctx context.Context, o Options) error {
	var err error
	if s.account, err = serverAccount(); err != nil {
		return err
	}
	found, err := installed(ctx)
	if err != nil {
		return err
	}
	if s.data, err = s.account.dataDir(ctx, s.dir, found[0]); err != nil {
		return err
	}
	binaries, err := s.prepare(ctx, found, o.Lazy)
	if err != nil {
		return err
	}
	return s.launch(ctx, binaries, o)
}

// URL is what lib/pq, or any other client, connects to; it holds the password.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// DataDir is where the data are: below Options.Dir, or in /var/tmp where the server's user cannot reach that.
func (s *Server) DataDir() string { return s.data }

// LogPath is the server's log, of this run.
func (s *Server) LogPath() string { return logPath(s.dir) }

// Done is closed when the server has ended, asked to or not.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// CreateDatabase makes a database; one of that name that is there already is left as it is.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	db, err := sql.Open("postgres", s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+pq.QuoteIdentifier(name)); err != nil && !isThere(err) {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// isThere recognizes an existing database: also one that another session made at the same moment.
func isThere(err error) bool {
	const duplicateDatabase, uniqueViolation = "42P04", "23505"
	var refused *pq.Error
	return errors.As(err, &refused) && (refused.Code == duplicateDatabase || refused.Code == uniqueViolation)
}
