package localpg

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/waittest"
)

// folder returns a new folder that any user can reach: what t.TempDir gives is in one for its owner alone.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { // #nosec G302 -- a folder
		t.Fatal(err)
	}
	return filepath.Join(dir, "postgres")
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: dir, Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// ask runs statements in a session of their own and returns the last one's text, if it gives any.
func ask(t *testing.T, address string, statements ...string) string {
	t.Helper()
	db, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var answer string
	for _, s := range statements {
		if err := db.QueryRowContext(t.Context(), s).Scan(&answer); err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return answer
}

// processes are those that work in a data folder, as all of a server's do.
func processes(t *testing.T, data string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range all {
		if cwd, err := os.Readlink(p); err == nil && cwd == data {
			found = append(found, filepath.Base(filepath.Dir(p)))
		}
	}
	return found
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	waittest.Until(t, 30*time.Second, what, waittest.Holds(condition))
}

func TestStart_KeepsTheDataOfTheFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := start(t, dir)
	if err := first.CreateDatabase(t.Context(), "guichet"); err != nil {
		t.Fatal(err)
	}
	ask(t, first.URL("guichet"), "CREATE TABLE places (id text)", "INSERT INTO places VALUES ('élan')")
	stop(t, first)

	second, err := Start(t.Context(), Options{Dir: dir, SharedBuffers: "16MB"}) // durable this time
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, second)
	if got := ask(t, second.URL("guichet"), "SELECT id FROM places"); got != "élan" {
		t.Errorf("the row reads %q after a restart", got)
	}
	if got := ask(t, second.URL("guichet"), "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s, want on unless Lazy", got)
	}
	if got := ask(t, second.URL("guichet"), "SHOW shared_buffers"); got != "16MB" {
		t.Errorf("shared_buffers is %s, want 16MB", got)
	}
}

func TestStart_GivesAServerThatOnlyThisMachineAndThePasswordReach(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	for setting, want := range map[string]string{ // #nosec G101 -- settings
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
		"password_encryption":     "scram-sha-256",
		"server_encoding":         "UTF8",
		"lc_collate":              "C",
		"timezone":                "UTC",
		"fsync":                   "off",
	} {
		if got := ask(t, s.URL("postgres"), "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	u, err := url.Parse(s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("guichet", "guess")
	db, err := sql.Open("postgres", u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.PingContext(t.Context()); !wrongPassword(err) {
		t.Errorf("a wrong password gave %v, want it refused", err)
	}
	info, err := os.Stat(s.passwordPath())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the password's file is %v (%v), want it for its owner only", info.Mode(), err)
	}
}

func TestCreateDatabase_LeavesAnExistingOneAsItIs(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	const name = `Guichet "quoted"`
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := s.CreateDatabase(t.Context(), name); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	ask(t, s.URL(name), "CREATE TABLE kept (id text)")
	if err := s.CreateDatabase(t.Context(), name); err != nil {
		t.Error(err)
	}
	if got := ask(t, s.URL(name), "SELECT to_regclass('kept')::text"); got != "kept" {
		t.Error("the table is gone")
	}
}

func TestStart_RefusesAFolderInUse(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, dir)
	_, err := Start(t.Context(), Options{Dir: dir, Lazy: true})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want ErrInUse and the folder's name", err)
	}
	if got := ask(t, s.URL("postgres"), "SELECT 'there'"); got != "there" {
		t.Error("the first server is harmed")
	}
}

func TestStart_ExplainsAFolderItCannotUse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		damage func(*Server) (file, content string)
		want   string
	}{
		"no password": {
			func(s *Server) (string, string) { return s.passwordPath(), "" },
			"delete",
		},
		"another password": {
			func(s *Server) (string, string) { return s.passwordPath(), "guess\n" },
			"is not that of the data",
		},
		"another version": {
			func(s *Server) (string, string) { return filepath.Join(s.data, "PG_VERSION"), "9\n" },
			"made by PostgreSQL 9",
		},
		"broken settings": {
			func(s *Server) (string, string) {
				return filepath.Join(s.data, "postgresql.conf"), "no_such_setting = 1\n"
			},
			"no_such_setting", // from the server's log
		},
	}
	dir := folder(t)
	stop(t, start(t, dir))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Server{dir: folder(t)}
			s.data = filepath.Join(s.dir, "data")
			copyFolder(t, dir, s.dir)
			file, content := test.damage(s)
			write(t, file, content)
			_, err := Start(t.Context(), Options{Dir: s.dir, Lazy: true})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %q", err, test.want)
			}
			if left := processes(t, s.data); len(left) > 0 {
				t.Errorf("processes %v are left", left)
			}
		})
	}
}

func TestStart_NeedsAFolder(t *testing.T) {
	t.Parallel()
	if _, err := Start(t.Context(), Options{}); err == nil {
		t.Error("no folder was accepted")
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
