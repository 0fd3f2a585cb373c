//go:build linux

package chaos

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// shape is what a stack is made of; its zero value is one nats-server, one ingester and one worker.
type shape struct {
	cluster            bool   // three nats-servers, and every stream on all of them
	ingesters, workers int    // 0 is 1
	ingester           string // its binary, where it is not the one under the race detector
	natsDir            func(t testing.TB) string
	postgresDir        func(t testing.TB) string
	maxBytes           int64             // of the event stream; 0 for its default
	natsUser           string            // password of the user guichet, whom the servers then want; empty for none
	env                map[string]string // of the services, beside the usual
}

// stack is a whole Guichet: its services as processes, each behind a link of its own to NATS and to PostgreSQL.
type stack struct {
	t         testing.TB
	dir       string
	nats      []*natsServer
	postgres  *postgres
	mails     *mailServer
	ingesters []*ingester
	workers   []*worker
	db        *sqlx.DB // the platform's and the checker's, past all links
	platform  *platform
}

// service is what ingesters and workers have in common.
type service struct {
	*program
	nats     []*link // to each nats-server
	postgres *link
}

type ingester struct {
	service
	mu   sync.Mutex
	door string // URL of this life's webhooks; empty while it is not up
}

type worker struct{ service }

func newStack(t testing.TB, s shape) *stack {
	t.Helper()
	dir, err := os.MkdirTemp("", "guichet-chaos-") //nolint:usetesting // t.TempDir is closed to PostgreSQL's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the programs printed is in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	k := &stack{t: t, dir: dir, mails: newMailServer(t, nil)}
	k.postgres = newPostgres(t, s)
	k.nats = newNATS(t, dir, s)
	k.db = sqlx.MustConnect("postgres", k.postgres.url("guichet", k.postgres.clean))
	k.db.SetMaxOpenConns(16)
	t.Cleanup(func() { _ = k.db.Close() })
	k.setUp(s)
	k.platform = &platform{k.db}
	k.platform.prepare(t)
	for n := range max(s.ingesters, 1) {
		k.ingesters = append(k.ingesters, k.newIngester(n, s))
	}
	for n := range max(s.workers, 1) {
		k.workers = append(k.workers, k.newWorker(n, s))
	}
	return k
}

// setUp runs `guichet setup`, once JetStream is there.
func (k *stack) setUp(s shape) {
	k.t.Helper()
	env := []string{"NATS_URL=" + k.natsURL(nil), "DATABASE_URL=" + k.postgres.url("guichet", k.postgres.clean)}
	if s.cluster {
		env = append(env, "STREAM_REPLICAS=3")
	}
	if s.maxBytes > 0 {
		env = append(env, fmt.Sprintf("STREAM_MAX_BYTES=%d", s.maxBytes))
	} else {
		env = append(env, fmt.Sprintf("STREAM_MAX_BYTES=%d", 1<<30))
	}
	p := newProgram(k.t, k.dir, "setup", "guichet", env, "setup")
	eventually(k.t, "guichet setup", func() error {
		p.start()
		if code := p.code(); code != 0 {
			return fmt.Errorf("it ended with %d: %s", code, tail(p.output(), 5))
		}
		return nil
	})
}

// natsURL names the servers behind links, or themselves.
func (k *stack) natsURL(links []*link) string {
	var out []string
	for i, s := range k.nats {
		address := s.address
		if links != nil {
			address = links[i].address()
		}
		if s.password != "" {
			address = "guichet:" + s.password + "@" + address
		}
		out = append(out, "nats://"+address)
	}
	return strings.Join(out, ",")
}

func (k *stack) links() (toNATS []*link, toPostgres *link) {
	for _, s := range k.nats {
		toNATS = append(toNATS, newLink(k.t, s.address))
	}
	toPostgres = k.postgres.link(k.t)
	return toNATS, toPostgres
}

func (k *stack) newIngester(n int, s shape) *ingester {
	toNATS, _ := k.links()
	env := []string{
		"NATS_URL=" + k.natsURL(toNATS), "STRIPE_WEBHOOK_SECRET=" + oldSecret + "," + newSecret,
		"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0",
	}
	in := &ingester{service: service{newProgram(k.t, k.dir, fmt.Sprintf("ingester-%d", n), cmp.Or(s.ingester, "ingester"), merged(env, s.env)), toNATS, nil}}
	in.start()
	in.open()
	return in
}

func (k *stack) newWorker(n int, s shape) *worker {
	toNATS, toPostgres := k.links()
	env := []string{
		"NATS_URL=" + k.natsURL(toNATS), "DATABASE_URL=" + k.postgres.url("guichet", toPostgres), "ADMIN_ADDR=127.0.0.1:0",
		"SMTP_URL=smtp://" + k.mails.address + "?tls=none", "MAIL_FROM=Guichet <tickets@example.org>", "ADMIN_EMAIL=admin@example.org",
		"CLEANUP_INTERVAL=2s", "SWEEP_INTERVAL=500ms", "ACTION_REQUIRED_DELAY=0s",
	}
	w := &worker{service{newProgram(k.t, k.dir, fmt.Sprintf("worker-%d", n), "worker", merged(env, s.env)), toNATS, toPostgres}}
	w.start()
	return w
}

func merged(env []string, more map[string]string) []string {
	for name, value := range more {
		env = append(env, name+"="+value)
	}
	return env
}

// open finds the door of this life.
func (in *ingester) open() {
	in.t.Helper()
	door := "http://" + in.match(`"listen":"([^"]+)"`) + "/stripe/webhooks"
	in.mu.Lock()
	defer in.mu.Unlock()
	in.door = door
}

func (in *ingester) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.door = ""
}

// admin is the address of a service's admin port, of this life.
func (s service) admin() string { return s.match(`"admin":"([^"]+)"`) }

// ready asks a service's admin port.
func ready(ctx context.Context, admin string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
	if err != nil {
		return err
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %d", res.StatusCode)
	}
	return nil
}

// awaitReady waits until all services say that they are.
func (k *stack) awaitReady() {
	k.t.Helper()
	for _, s := range k.services() {
		admin := s.admin()
		eventually(k.t, s.name+" is ready", func() error { return ready(k.t.Context(), admin) })
	}
}

func (k *stack) services() []service {
	var all []service
	for _, in := range k.ingesters {
		all = append(all, in.service)
	}
	for _, w := range k.workers {
		all = append(all, w.service)
	}
	return all
}

// doors are those of the ingesters that are up.
func (k *stack) doors() []string {
	var out []string
	for _, in := range k.ingesters {
		in.mu.Lock()
		if in.door != "" {
			out = append(out, in.door)
		}
		in.mu.Unlock()
	}
	return out
}

// jetStream is the checker's own connection, past all links.
func (k *stack) jetStream() jetstream.JetStream {
	k.t.Helper()
	conn, err := nats.Connect(k.natsURL(nil), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.RetryOnFailedConnect(true))
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		k.t.Fatal(err)
	}
	return js
}
