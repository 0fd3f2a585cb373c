package acceptance

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/tracing/tracetest"
)

func TestOneTraceGoesFromTheWebhookToTheMail(t *testing.T) {
	t.Parallel()
	natsURL, databaseURL, collector := natsServer(t), pgtest.Database(t), tracetest.Start(t)
	env := []string{
		"NATS_URL=" + natsURL, "DATABASE_URL=" + databaseURL, "STRIPE_WEBHOOK_SECRET=" + secret, "ADMIN_ADDR=127.0.0.1:0",
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL, "OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment=test",
	}
	setup(t, env...)
	ingester := start(t, "ingester", append(slices.Clone(env), "LISTEN_ADDR=127.0.0.1:0"))
	worker := start(t, "worker", append(slices.Clone(env), "MAILBOX_DIR="+filepath.Join(t.TempDir(), "mailbox"), "ADMIN_EMAIL=admin@example.org"))
	ready(t, ingester.match(`"admin": ?"([^"]+)"`))
	ready(t, worker.match(`"admin": ?"([^"]+)"`))
	db := sqlx.MustConnect("postgres", databaseURL)
	defer func() { _ = db.Close() }()
	db.MustExec(`INSERT INTO events (id, title) VALUES ('e', 'Gala')`)
	db.MustExec(`INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'e', 'ada@example.org')`)
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	e := simulate.New(rand.New(rand.NewPCG(1, 1)), time.Now).Payment("reg-1").Completed()
	if status, answer, err := simulate.Post(t.Context(), client, "http://"+ingester.match(`"listen": ?"([^"]+)"`)+"/stripe/webhooks", secret, e); err != nil || status != http.StatusOK {
		t.Fatalf("answered %d %s (%v)", status, answer, err)
	}

	way := []struct{ service, name, below string }{
		{"guichet-ingester", "POST /stripe/webhooks", ""},
		{"guichet-ingester", "publish STRIPE_EVENTS", "POST /stripe/webhooks"},
		{"guichet-worker", "process STRIPE_EVENTS", "publish STRIPE_EVENTS"},
		{"guichet-worker", "settle", "process STRIPE_EVENTS"},
		{"guichet-worker", "send mail", "process STRIPE_EVENTS"},
	}
	eventually(t, "every span came, in one trace", func() error {
		ids := map[string]tracetest.Span{}
		for _, step := range way {
			spans := collector.Named(step.name)
			if len(spans) != 1 {
				return fmt.Errorf("%d spans %q", len(spans), step.name)
			}
			s := spans[0]
			ids[step.name] = s
			if s.Service != step.service || s.Parent != ids[step.below].ID || s.Trace != ids[way[0].name].Trace || s.Failed {
				return fmt.Errorf("%q is %+v", step.name, s)
			}
		}
		batches := collector.Named("settle batch")
		if len(batches) != 1 || !slices.Equal(batches[0].Links, []string{ids["process STRIPE_EVENTS"].ID}) {
			return fmt.Errorf("batches: %+v", batches)
		}
		return nil
	})
	ingester.stop()
	worker.stop()
}
