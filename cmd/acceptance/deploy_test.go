package acceptance

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/simulate"
)

// shippedNATS runs nats-server with the configuration that is deployed, on ports of its own, and returns the URL of
// each user.
func shippedNATS(t *testing.T) (urls map[string]string) {
	t.Helper()
	dir, secrets := t.TempDir(), t.TempDir()
	if out, err := exec.Command("../../deploy/make-secrets", secrets).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := read(t, "../../deploy/nats/nats.conf")
	for from, to := range map[string]string{
		"port: 4222": "listen: 127.0.0.1:-1", "http: 8222": "http: 127.0.0.1:-1", "store_dir: /data": fmt.Sprintf("store_dir: %q", t.TempDir()),
	} {
		if !strings.Contains(text, from) {
			t.Fatalf("nats.conf does not say %q", from)
		}
		text = strings.Replace(text, from, to, 1)
	}
	for name, content := range map[string]string{
		"nats.conf": text, "users.conf": read(t, "../../deploy/nats/users.conf"), "passwords.conf": read(t, filepath.Join(secrets, "nats_passwords")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, "nats-server", nil, "-c", filepath.Join(dir, "nats.conf"))
	p.match(`Server is (ready)`)
	address := p.match(`Listening for client connections on ([0-9.:]+)`)
	urls = map[string]string{}
	for _, user := range []string{"setup", "ingester", "worker", "operator"} {
		urls[user] = strings.Replace(strings.TrimSpace(read(t, filepath.Join(secrets, user+"_nats_url"))), "nats:4222", address, 1)
	}
	return urls
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTheServicesNeedNoMoreRightsThanTheShippedNATSConfigurationGives(t *testing.T) {
	t.Parallel()
	urls, databaseURL := shippedNATS(t), pgtest.Database(t)
	as := func(user string) string { return "NATS_URL=" + urls[user] }
	setup(t, as("setup"), "DATABASE_URL="+databaseURL)
	ingester := start(t, "ingester", []string{as("ingester"), "STRIPE_WEBHOOK_SECRET=" + secret, "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"})
	worker := start(t, "worker", []string{as("worker"), "DATABASE_URL=" + databaseURL, "ADMIN_ADDR=127.0.0.1:0", "CLEANUP_INTERVAL=100ms"})
	ready(t, ingester.match(`"admin": ?"([^"]+)"`))
	ready(t, worker.match(`"admin": ?"([^"]+)"`))
	db := sqlx.MustConnect("postgres", databaseURL)
	defer func() { _ = db.Close() }()
	db.MustExec(`INSERT INTO events (id, title) VALUES ('e', 'Gala')`)
	db.MustExec(`INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'e', 'x@example.org')`)

	stripe := simulate.New(rand.New(rand.NewPCG(1, 1)), time.Now)
	url := "http://" + ingester.match(`"listen": ?"([^"]+)"`) + "/stripe/webhooks"
	poison := simulate.Event{ID: "evt_poison", Type: "checkout.session.completed", Body: []byte(`{"id":"evt_poison","type":"checkout.session.completed"}`)}
	for _, e := range []simulate.Event{stripe.Payment("reg-1").Completed(), poison} {
		client := &http.Client{Timeout: patience}
		if status, answer, err := simulate.Post(t.Context(), client, url, secret, e); err != nil || status != http.StatusOK {
			t.Fatalf("answered %d %s (%v)", status, answer, err)
		}
		client.CloseIdleConnections()
	}
	worker.match(`✅ Payment confirmed for (registration): reg-1`)
	worker.match(`Event moved to the (dead letters)`)
	worker.match(`✅ Cleanup (completed)`)
	for _, p := range []*process{ingester, worker} {
		p.stop()
		if strings.Contains(strings.ToLower(p.out.String()), "permissions violation") {
			t.Errorf("%s was refused something:\n%s", p.name, tail(p.out.String(), 40))
		}
	}
}

func TestTheAdminPortIsOnLoopbackUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ingester", "worker"} {
		p := start(t, name, nil, "--help")
		if code := p.code(); code != 0 {
			t.Fatalf("%s --help ended with %d", name, code)
		}
		if !regexp.MustCompile(`ADMIN_ADDR +127\.0\.0\.1:\d+ `).MatchString(p.out.String()) {
			t.Errorf("%s --help shows no loopback address for ADMIN_ADDR:\n%s", name, p.out.String())
		}
	}
}
