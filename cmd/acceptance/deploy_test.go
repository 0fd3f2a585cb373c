package acceptance

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
)

// shippedNATS runs nats-server with the configuration that is deployed, on ports of its own.
func shippedNATS(t *testing.T) (address string) {
	t.Helper()
	shipped, err := os.ReadFile("../../deploy/nats/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := string(shipped)
	for from, to := range map[string]string{
		"port: 4222": "listen: 127.0.0.1:-1", "http: 8222": "http: 127.0.0.1:-1", "store_dir: /data": fmt.Sprintf("store_dir: %q", t.TempDir()),
	} {
		if !strings.Contains(text, from) {
			t.Fatalf("nats.conf does not say %q", from)
		}
		text = strings.Replace(text, from, to, 1)
	}
	dir := t.TempDir()
	passwords := "NATS_SETUP_PASSWORD: \"s1\"\nNATS_INGESTER_PASSWORD: \"i1\"\nNATS_WORKER_PASSWORD: \"w1\"\n"
	for name, content := range map[string]string{"nats.conf": text, "passwords.conf": passwords} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, "nats-server", nil, "-c", filepath.Join(dir, "nats.conf"))
	p.match(`Server is (ready)`)
	return p.match(`Listening for client connections on ([0-9.:]+)`)
}

func TestTheServicesNeedNoMoreRightsThanTheShippedNATSConfigurationGives(t *testing.T) {
	t.Parallel()
	address, databaseURL := shippedNATS(t), pgtest.Database(t)
	as := func(user, password string) string { return "NATS_URL=nats://" + user + ":" + password + "@" + address }
	setup(t, as("setup", "s1"), "DATABASE_URL="+databaseURL)
	ingester := start(t, "ingester", []string{as("ingester", "i1"), "STRIPE_WEBHOOK_SECRET=" + secret, "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"})
	worker := start(t, "worker", []string{as("worker", "w1"), "DATABASE_URL=" + databaseURL, "ADMIN_ADDR=127.0.0.1:0", "CLEANUP_INTERVAL=100ms"})
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

	conn, err := nats.Connect("nats://ingester:i1@"+address, nats.CustomInboxPrefix("_INBOX_ingester"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), stream.Events); err == nil {
		t.Error("the ingester may delete the stream")
	}
	if _, err := js.Stream(t.Context(), stream.Events); err == nil {
		t.Error("the ingester may look at the stream")
	}
}
