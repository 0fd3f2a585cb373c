package deploy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/worker"
)

// TestCompose_TheServicesNeedNoMoreThanTheyAreGiven runs both services with the environment, the secrets, the NATS
// user and the database role of docker-compose.yml; only addresses are the test's own.
func TestCompose_TheServicesNeedNoMoreThanTheyAreGiven(t *testing.T) {
	t.Parallel()
	dir := secrets(t)
	_, natsURL := single(t, dir)
	databaseURL := database(t, dir)
	content := map[string]string{
		"stripe_webhook_secret": "whsec_deploy", "smtp_url": "smtp://127.0.0.1:1",
		"ingester_nats_url": natsURL("ingester"), "worker_nats_url": natsURL("worker"), "worker_database_url": databaseURL("guichet_worker"),
		"stripe_api_key": fakestripe.Key,
	}
	ours := compose(t, "../docker-compose.yml", "stripe-api.yml").ours(t)
	ingesterSettings := *checkContainer(t, ours["ingester"], content).(*ingest.Settings)
	ingesterSettings.ListenAddr, ingesterSettings.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	workerSettings := *checkContainer(t, ours["worker"], content).(*worker.Settings)
	workerSettings.AdminAddr, workerSettings.CleanupInterval, workerSettings.SweepInterval = "127.0.0.1:0", 100*time.Millisecond, 50*time.Millisecond
	api := fakestripe.New(t)
	workerSettings.Lookup.URL, workerSettings.ReconcileInterval = api.URL, 100*time.Millisecond
	workerSettings.Mail.URL, workerSettings.Mail.Mailbox = "", filepath.Join(t.TempDir(), "mailbox")

	core, logs := observer.New(zap.WarnLevel)
	log := zap.New(core)
	listening := make(chan ingest.Addresses, 1)
	background(t, func(ctx context.Context) error {
		return ingest.Run(ctx, ingest.Options{Settings: ingesterSettings, Log: log, Registry: prometheus.NewRegistry(), Started: func(a ingest.Addresses) { listening <- a }})
	})
	background(t, func(ctx context.Context) error {
		return worker.Run(ctx, worker.Options{Settings: workerSettings, Log: log})
	})

	platform := connect(t, databaseURL("guichet_platform"))
	platform.MustExec(`INSERT INTO events (id, title, capacity) VALUES ('gala', 'Gala', 3)`)
	platform.MustExec(`INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'gala', 'ada@example.org'), ('reg-2', 'gala', 'grace@example.org'), ('reg-3', 'gala', 'joan@example.org')`)
	stripe := simulate.New(rand.New(rand.NewPCG(1, 1)), time.Now)
	paid, declined := stripe.Payment("reg-1"), stripe.Payment("reg-2")
	poison := simulate.Event{ID: "evt_poison", Type: "checkout.session.completed", Body: []byte(`{"id":"evt_poison","type":"checkout.session.completed"}`)}
	url := "http://" + (<-listening).Public + ingest.Path
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	for _, e := range []simulate.Event{paid.Completed(), declined.Failed(simulate.CardDeclined()), declined.Disputed(), poison} {
		if status, answer, err := simulate.Post(t.Context(), client, url, content["stripe_webhook_secret"], e); err != nil || status != http.StatusOK {
			t.Fatalf("answered %d %s (%v)", status, answer, err)
		}
	}
	api.Happened("", stripe.Payment("reg-3").Completed(simulate.At(time.Now().Add(-time.Minute)))) // which nobody delivers, and any run looks at
	eventually(t, "the platform sees all settled", func() error {
		var states []string
		if err := platform.Select(&states, `SELECT id || ' ' || status FROM registrations ORDER BY id`); err != nil {
			return err
		}
		if got := strings.Join(states, ", "); got != "reg-1 PAID, reg-2 FAILED, reg-3 PAID" {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	mails := connect(t, databaseURL("guichet_worker"))
	eventually(t, "every mail is sent", func() error {
		var waiting, sent int
		if err := mails.QueryRow(`SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'sent') FROM notifications`).Scan(&waiting, &sent); err != nil {
			return err
		}
		if waiting > 0 || sent == 0 {
			return fmt.Errorf("%d wait, %d are sent", waiting, sent)
		}
		return nil
	})
	for _, entry := range logs.All() {
		text := fmt.Sprint(entry.Message, entry.ContextMap())
		if strings.Contains(strings.ToLower(text), "permission") {
			t.Errorf("refused: %s", text)
		}
	}
}

// background runs a service until the test ends, and wants a clean end of it.
func background(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("a service did not stop")
		}
	})
}
