// Package acceptance runs the built binaries against a real nats-server and a real PostgreSQL.
package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/waittest"
)

// patience bounds every wait; a machine may be slow, and the race detector makes it slower.
const patience = 2 * time.Minute

// binDir is where TestMain puts the binaries.
const binDir = "GUICHET_ACCEPTANCE_BIN"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "guichet-acceptance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { // an ordinary user runs what is in it, too
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// The services are built as the tests are, so that the race detector watches them too.
	args := []string{"build", "-o", dir}
	if raceEnabled {
		args = append(args, "-race")
	}
	for _, packages := range [][]string{
		append(args, "github.com/educareschool/guichet/cmd/ingester", "github.com/educareschool/guichet/cmd/worker"),
		{"build", "-o", dir, "github.com/educareschool/guichet/cmd/guichet", "github.com/nats-io/nats-server/v2"},
	} {
		if out, err := exec.Command("go", packages...).CombinedOutput(); err != nil { // #nosec G204 -- our own arguments
			fmt.Fprintf(os.Stderr, "build the binaries: %v\n%s", err, out)
			return 1
		}
	}
	if err := os.Setenv(binDir, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return pgtest.Run(m)
}

// process is a program that a test started.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	out  output
	done chan struct{}
	err  error // of its end; read after done
}

// output collects what a program prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs a program with nothing of this process's environment but what is given; the test's end ends it.
func start(t testing.TB, name string, env []string, args ...string) *process {
	t.Helper()
	return startWith(t, func(cmd *exec.Cmd) { cmd.Dir = t.TempDir() }, name, env, args...)
}

// startWith runs a program as start does, in a way that is adjusted.
func startWith(t testing.TB, adjust func(*exec.Cmd), name string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, done: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(os.Getenv(binDir), name), args...) // #nosec G204 -- our own binaries
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	adjust(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, tail(p.out.String(), 60))
		}
	})
	return p
}

// stop ends a program as an operator does, and wants a clean end.
func (p *process) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if p.err != nil {
			p.t.Errorf("%s ended with %v", p.name, p.err)
		}
	case <-time.After(patience):
		p.t.Errorf("%s did not stop", p.name)
	}
}

// code waits for the program's own end and returns its exit code.
func (p *process) code() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("%s did not end", p.name)
		return -1
	}
}

// match waits until the output matches, and returns the first group.
func (p *process) match(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	eventually(p.t, p.name+" prints "+pattern, func() error {
		if found = re.FindStringSubmatch(p.out.String()); found == nil {
			select {
			case <-p.done:
				p.t.Fatalf("%s ended with %v and printed:\n%s", p.name, p.err, tail(p.out.String(), 30))
			default:
			}
			return fmt.Errorf("not printed yet")
		}
		return nil
	})
	return found[len(found)-1]
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	waittest.Until(t, patience, what, condition)
}

// natsServer starts nats-server as a program of its own, always synced, and returns its URL.
func natsServer(t testing.TB) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "nats.conf")
	text := fmt.Sprintf("listen: 127.0.0.1:-1\nmax_payload: 2MB\njetstream {\n  store_dir: %q\n  sync_interval: always\n}\n", t.TempDir())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "nats-server", nil, "-c", config)
	p.match(`Server is (ready)`)
	return "nats://" + p.match(`Listening for client connections on ([0-9.:]+)`)
}

// setup runs `guichet setup` for the services.
func setup(t testing.TB, env ...string) {
	t.Helper()
	p := start(t, "guichet", env, "setup")
	if code := p.code(); code != 0 {
		t.Fatalf("guichet setup ended with %d:\n%s", code, p.out.String())
	}
}

// ready waits until an admin port says so.
func ready(t testing.TB, admin string) {
	t.Helper()
	eventually(t, admin+" is ready", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz?verbose", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", answer.StatusCode)
		}
		return nil
	})
	http.DefaultClient.CloseIdleConnections()
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
