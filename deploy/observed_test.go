package deploy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/processmetrics"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/worker"
)

// observed are the services with everything that they can do turned on, as one looks at them from outside. NATS's
// users and PostgreSQL's roles are those that are deployed.
type observed struct {
	t                     *testing.T
	env                   map[string]string
	ingester, worker, url string // admin addresses, and where webhooks go
	stripe                *simulate.Stripe
	db                    *sqlx.DB // as the platform
	client                *http.Client
}

const observedSecret = "whsec_observed_0123456789"

func startObserved(t *testing.T) *observed {
	t.Helper()
	dir := secrets(t)
	_, natsURL := single(t, dir)
	databaseURL := database(t, dir)
	api := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(api.Close)
	o := &observed{
		t: t, stripe: simulate.New(rand.New(rand.NewPCG(1, 1)), time.Now), db: connect(t, databaseURL("guichet_platform")), client: &http.Client{Timeout: patience},
		env: map[string]string{
			"NATS_URL": natsURL("worker"), "DATABASE_URL": databaseURL("guichet_worker"), "ADMIN_ADDR": "127.0.0.1:0", "STRIPE_API_KEY": "rk_test_observed", "STRIPE_API_URL": api.URL,
			"MAILBOX_DIR": filepath.Join(t.TempDir(), "mailbox"), "ADMIN_EMAIL": "admin@example.org", "CLEANUP_INTERVAL": "200ms", "SWEEP_INTERVAL": "50ms",
		},
	}
	t.Cleanup(o.client.CloseIdleConnections)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	var set ingest.Settings
	o.load(&set, map[string]string{
		"NATS_URL": natsURL("ingester"), "ADMIN_ADDR": "127.0.0.1:0", "LISTEN_ADDR": "127.0.0.1:0", "STRIPE_WEBHOOK_SECRET": observedSecret,
	})
	listening := make(chan ingest.Addresses, 1)
	background(t, func(ctx context.Context) error {
		return ingest.Run(ctx, ingest.Options{
			Settings: set, Log: zap.NewNop(), Registry: processmetrics.NewRegistry(), Started: func(a ingest.Addresses) { listening <- a },
		})
	})
	a := <-listening
	o.ingester, o.url = a.Admin, "http://"+a.Public+ingest.Path
	return o
}

func (o *observed) load(into any, env map[string]string) {
	o.t.Helper()
	if err := settings.Load(into, settings.Source{Env: env}); err != nil {
		o.t.Fatal(err)
	}
}

// work starts a worker and returns what stops it. It tells what the database holds when it starts, and then every
// half a minute: a test that cannot wait starts another.
func (o *observed) work() (stop func()) {
	o.t.Helper()
	var set worker.Settings
	o.load(&set, o.env)
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- worker.Run(ctx, worker.Options{
			Settings: set, Log: zap.NewNop(), Metrics: processmetrics.NewRegistry(), Ready: func(address string) { ready <- address },
		})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			o.t.Errorf("the worker ended with %v", err)
		}
	}
	o.t.Cleanup(stop)
	select {
	case o.worker = <-ready:
	case <-time.After(patience):
		o.t.Fatal("the worker did not start")
	}
	return stop
}

// post sends events as Stripe does.
func (o *observed) post(events ...simulate.Event) {
	o.t.Helper()
	for _, e := range events {
		if status, answer, err := simulate.Post(o.t.Context(), o.client, o.url, observedSecret, e); err != nil || status != http.StatusOK {
			o.t.Fatalf("answered %d %s (%v)", status, answer, err)
		}
	}
}

// poison is an event that no worker can use.
func poison(id string) simulate.Event {
	return simulate.Event{ID: id, Type: "checkout.session.completed", Body: []byte(`{"id":"` + id + `","type":"checkout.session.completed"}`)}
}

// live has something happen of every kind that is told of, and leaves a worker that has just started.
func (o *observed) live() {
	o.t.Helper()
	stop := o.work()
	o.db.MustExec(`INSERT INTO events (id, title, capacity) VALUES ('gala', 'Gala', 2), ('stream', 'Stream', NULL)`)
	o.db.MustExec(`INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'gala', 'ada@example.org'), ('reg-2', 'gala', 'grace@example.org')`)
	late, quick := o.stripe.Payment("reg-1"), o.stripe.Payment("reg-3")
	o.post(late.Canceled("abandoned"))
	o.status("reg-1", "CANCELED")
	o.db.MustExec(`INSERT INTO registrations (id, event_id, email) VALUES ('reg-3', 'gala', 'joan@example.org')`)
	o.post(late.Completed(), quick.Completed(), quick.Disputed(), poison("evt_poison"), o.stripe.Unrelated("customer.created"))
	o.status("reg-1", "PAID")
	o.status("reg-3", "FAILED")
	eventually(o.t, "somebody has paid and has no place", func() error {
		var n int
		if err := o.db.Get(&n, `SELECT count(*) FROM registrations WHERE attention <> '{}'`); err != nil {
			return err
		}
		if n == 0 {
			return errors.New("no registration wants attention")
		}
		return nil
	})
	stop()
	o.work()
	eventually(o.t, "the worker tells of the database, of the streams and of every task", func() error {
		families := tell(o.t, o.worker)
		for _, name := range []string{"guichet_registrations", "guichet_worker_stream_bytes"} {
			if families[name] == nil {
				return fmt.Errorf("%s is not told", name)
			}
		}
		const results = 3
		if begun, all := len(families["guichet_worker_task_interval_seconds"].GetMetric()), len(families["guichet_worker_tasks_total"].GetMetric())/results; begun != all {
			return fmt.Errorf("%d of %d tasks have begun", begun, all)
		}
		return nil
	})
}

func (o *observed) status(id, want string) {
	o.t.Helper()
	eventually(o.t, id+" is "+want, func() error {
		var got string
		if err := o.db.Get(&got, `SELECT status FROM registrations WHERE id = $1`, id); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}
