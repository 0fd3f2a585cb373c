//go:build linux

package chaos

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/localpg"
)

// postgres is a PostgreSQL that syncs every commit. It gets a new port with every start; links follow it.
type postgres struct {
	t     testing.TB
	dir   string
	clean *link // of the platform and the checker; always a good one

	mu     sync.Mutex
	server *localpg.Server
	links  []*link
}

// fresh is a folder with the data of a PostgreSQL that was made and stopped: to copy them takes a tenth of the time.
var fresh = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(os.Getenv(binaries), "postgres")
	server, err := localpg.Start(context.Background(), localpg.Options{Dir: dir, Lazy: true})
	if err != nil {
		return "", err
	}
	return dir, server.Stop()
})

func newPostgres(t testing.TB, s shape) *postgres {
	t.Helper()
	dir := ""
	if s.postgresDir != nil {
		dir = s.postgresDir(t)
	} else {
		var err error
		if dir, err = os.MkdirTemp("", "guichet-chaos-pg-"); err != nil { //nolint:usetesting // t.TempDir is closed to PostgreSQL's user
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	p := &postgres{t: t, dir: dir}
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.server != nil {
			_ = p.server.Stop()
			_ = os.RemoveAll(p.server.DataDir())
		}
		_ = os.RemoveAll(dir)
	})
	made, err := fresh()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", made+"/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("copy PostgreSQL's first data: %v\n%s", err, out)
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	if err := p.server.CreateDatabase(t.Context(), "guichet"); err != nil {
		t.Fatal(err)
	}
	p.clean = p.link(t)
	return p
}

// start starts the server, which recovers what a crash left.
func (p *postgres) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := localpg.Start(ctx, localpg.Options{Dir: p.dir})
	if err != nil {
		return err
	}
	p.server = server
	for _, l := range p.links {
		l.leadTo(p.host())
	}
	return nil
}

// host is where the server listens now.
func (p *postgres) host() string {
	u, err := url.Parse(p.server.URL("postgres"))
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Host
}

func (p *postgres) link(t testing.TB) *link {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	l := newLink(t, p.host())
	p.links = append(p.links, l)
	return l
}

// url is a database of the server, reached by a link.
func (p *postgres) url(database string, by *link) string {
	u, err := url.Parse(p.server.URL(database))
	if err != nil {
		p.t.Fatal(err)
	}
	u.Host = by.address()
	return u.String()
}

// kill is kill -9 of the server's main process; its others end when they notice.
func (p *postgres) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	content, err := os.ReadFile(filepath.Join(p.server.DataDir(), "postmaster.pid"))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	select {
	case <-p.server.Done():
	case <-time.After(patience):
		return errors.New("PostgreSQL survives kill -9")
	}
	_ = p.server.Stop() // it did not stop in order, and says so
	return nil
}

// alive says whether the server's main process runs.
func (p *postgres) alive() bool {
	select {
	case <-p.server.Done():
		return false
	default:
		return true
	}
}

// restart starts a server that has ended.
func (p *postgres) restart() error {
	_ = p.server.Stop() // it has not stopped in order
	return p.start()
}
