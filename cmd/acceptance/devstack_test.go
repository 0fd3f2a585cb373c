package acceptance

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/simulate"
)

// devStack is a running `guichet dev`.
type devStack struct {
	*process
	data string
	env  map[string]string // of dev.env, as a shell reads it
	// postgres is the folder that its PostgreSQL works in; empty where that is not its own.
	postgres string
}

// dataFolder is one that PostgreSQL's user can reach too, for where this is root.
func dataFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "guichet-dev-") //nolint:usetesting // t.TempDir is closed to that user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// dev starts a stack on a free port and waits until it serves.
func dev(t *testing.T, data string, env []string, args ...string) *devStack {
	t.Helper()
	return serving(start(t, "guichet", env, append([]string{"dev", "--data", data, "--listen", "127.0.0.1:0"}, args...)...), data)
}

func serving(p *process, data string) *devStack {
	p.t.Helper()
	p.match(`(Ctrl-C stops everything)`)
	d := &devStack{process: p, data: data, env: map[string]string{}}
	for _, name := range []string{"GUICHET_URL", "ADMIN_URL", "NATS_URL", "DATABASE_URL", "STRIPE_WEBHOOK_SECRET"} {
		if d.env[name] = d.shell(`printf %s "$` + name + `"`); d.env[name] == "" {
			p.t.Errorf("dev.env does not say %s", name)
		}
	}
	if _, after, own := strings.Cut(p.out.String(), "private, data in "); own {
		d.postgres, _, _ = strings.Cut(after, "\n")
	}
	return d
}

// shell runs commands after dev.env, and returns what they print.
func (d *devStack) shell(commands string) string {
	d.t.Helper()
	out, err := exec.Command("sh", "-euc", ". "+filepath.Join(d.data, "dev.env")+"\n"+commands).CombinedOutput() // #nosec G204 -- our own commands
	if err != nil {
		d.t.Fatalf("%v: %s\n%s", err, out, commands)
	}
	return string(out)
}

func (d *devStack) database() *sqlx.DB {
	d.t.Helper()
	db, err := sqlx.Connect("postgres", d.env["DATABASE_URL"])
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = db.Close() })
	return db
}

// get reads a page of the admin port.
func (d *devStack) get(path string) (int, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.env["ADMIN_URL"]+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// interrupt is Ctrl-C: it wants a clean end that leaves nothing behind but the data.
func (d *devStack) interrupt() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		d.t.Fatal(err)
	}
	if code := d.code(); code != 0 || !strings.Contains(d.out.String(), "Everything has stopped; the data stay in "+d.data) {
		d.t.Errorf("it ended with %d", code)
	}
	if left := processesIn(d.t, d.postgres); len(left) > 0 {
		d.t.Errorf("processes %v of PostgreSQL are left", left)
	}
	if _, err := os.Stat(filepath.Join(d.data, "dev.env")); !errors.Is(err, os.ErrNotExist) {
		d.t.Errorf("dev.env stays: %v", err)
	}
	d.discreet()
}

// discreet wants nothing in the terminal that names a person or opens a door.
func (d *devStack) discreet() {
	d.t.Helper()
	private := []string{
		d.env["STRIPE_WEBHOOK_SECRET"], d.env["DATABASE_URL"], "whsec_", simulate.BuyerName, simulate.BuyerEmail, simulate.BuyerPhone,
		"Lovelace", "rue de l'Exemple", "admin@example.com",
	}
	if u, err := url.Parse(d.env["DATABASE_URL"]); err == nil {
		if password, ok := u.User.Password(); ok {
			private = append(private, password)
		}
	}
	for _, word := range private {
		if strings.Contains(d.out.String(), word) {
			d.t.Errorf("the terminal shows %q", word)
		}
	}
}

// processesIn lists the processes that work in a folder, which on Linux are those of a PostgreSQL on it.
func processesIn(t testing.TB, dir string) []int {
	t.Helper()
	if dir == "" {
		return nil
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, p := range all {
		if cwd, err := os.Readlink(filepath.Join(p, "cwd")); err == nil && cwd == dir {
			pid, _ := strconv.Atoi(filepath.Base(p))
			found = append(found, pid)
		}
	}
	return found
}

func (d *devStack) exec(query string, args ...any) {
	d.t.Helper()
	if _, err := d.database().Exec(query, args...); err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
}

// trigger sends an event as a person does, and returns the answer's status.
func (d *devStack) trigger(eventType string, args ...string) int {
	d.t.Helper()
	p := start(d.t, "guichet", nil, append([]string{"trigger", eventType, "--data", d.data, "--output", "json"}, args...)...)
	p.code()
	var told struct{ Status int }
	if err := json.Unmarshal([]byte(p.out.String()), &told); err != nil {
		d.t.Errorf("trigger %s: %v", eventType, err)
	}
	return told.Status
}
