package worker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// tells waits until the worker's metrics hold a line that begins so.
func (w *running) tells(lines ...string) {
	w.t.Helper()
	var page string
	deadline := time.Now().Add(patience)
	for {
		res, err := http.Get("http://" + w.admin + "/metrics")
		if err != nil {
			w.t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		page = "\n" + string(body)
		missing := ""
		for _, line := range lines {
			if !strings.Contains(page, "\n"+line) {
				missing = line
			}
		}
		if missing == "" {
			http.DefaultClient.CloseIdleConnections()
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the metrics never tell %q:\n%s", missing, page)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestTheMetricsTellWhatBecameOfEventsRegistrationsAndMails(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1", "reg-2")
	paid := r.stripe.Payment("reg-1").Completed()
	w := r.work()
	r.publish(paid, r.stripe.Payment("reg-2").Failed(simulate.CardDeclined()), r.stripe.Unrelated("customer.created"))
	r.store("evt_again", paid.Type, paid.Body)
	r.store("evt_poison", "checkout.session.completed", []byte(`{}`))
	w.tells(
		`guichet_worker_events_total{outcome="stored",type="checkout.session.completed"} 1`,
		`guichet_worker_events_total{outcome="duplicate",type="checkout.session.completed"} 1`,
		`guichet_worker_events_total{outcome="dead_letter",type="checkout.session.completed"} 1`,
		`guichet_worker_events_total{outcome="stored",type="payment_intent.payment_failed"} 1`,
		`guichet_worker_events_total{outcome="ignored",type="other"} 1`,
		`guichet_worker_dead_letters_total 1`,
		`guichet_worker_status_changes_total{status="PAID"} 1`,
		`guichet_worker_status_changes_total{status="FAILED"} 1`,
		`guichet_worker_event_delay_seconds_count{stage="delivery"} 3`,
		`guichet_worker_event_delay_seconds_count{stage="settling"} 3`,
		`guichet_worker_event_delay_seconds_count{stage="total"} 3`,
		`guichet_worker_mails_total{kind="payment_confirmed",result="sent"} 1`,
		`guichet_worker_mail_delay_seconds_count 2`,
		`guichet_worker_task_success_timestamp_seconds{task="cleanup"} 1`,
		`guichet_worker_task_interval_seconds{task="sweep"} 0.05`,
		`guichet_worker_lag_events 0`,
		`guichet_worker_oldest_event_seconds 0`,
		`guichet_worker_stream_messages{stream="STRIPE_EVENTS"} `,
		`guichet_registrations{status="CANCELED"} 0`,
	)
}

// Counters of a worker that has done nothing yet are there, at zero, so that a first failure is an increase.
func TestEveryLabelOfAClosedSetIsThereAtZero(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	newMetrics(registry)
	for name, want := range map[string]int{
		"guichet_worker_events_total":         (len(stripeevent.Types()) + 1) * 4,
		"guichet_worker_batches_total":        6,
		"guichet_worker_mails_total":          len(registration.MailKinds()) * 4,
		"guichet_worker_status_changes_total": len(registration.Statuses()),
		"guichet_worker_event_delay_seconds":  3,
		"guichet_worker_tasks_total":          len(tasks()) * 3,
	} {
		if n, err := testutil.GatherAndCount(registry, name); err != nil || n != want {
			t.Errorf("%s has %d series, want %d (%v)", name, n, want, err)
		}
	}
}

func TestDelaysAreCountedFromTheTimesThatAreKnown(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		created, received time.Time
		want              string // counts and sums of delivery, settling and total
	}{
		"both known":               {now.Add(-10 * time.Second), now.Add(-4 * time.Second), "1 6, 1 4, 1 10"},
		"received not known":       {now.Add(-10 * time.Second), time.Time{}, "0 0, 0 0, 1 10"},
		"a v2 event without times": {time.Time{}, now.Add(-4 * time.Second), "0 0, 1 4, 0 0"},
		"clocks that differ":       {now.Add(time.Second), now.Add(2 * time.Second), "1 1, 1 0, 1 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewRegistry()
			m := newMetrics(registry)
			e := store.Received{ReceivedAt: tt.received}
			e.Created = tt.created
			m.stored(e, now)
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range families {
				if f.GetName() != "guichet_worker_event_delay_seconds" {
					continue
				}
				for _, stage := range f.GetMetric() {
					got = append(got, fmt.Sprintf("%d %g", stage.GetHistogram().GetSampleCount(), stage.GetHistogram().GetSampleSum()))
				}
			}
			if text := strings.Join(got, ", "); text != tt.want {
				t.Errorf("got %s, want %s", text, tt.want)
			}
		})
	}
}

func TestOtherAPIVersionsAreCountedAndSettled(t *testing.T) {
	t.Parallel()
	m := newMetrics(prometheus.NewRegistry())
	for _, version := range []string{"", "2023-10-16", "2020-08-27", "2025-01-01.acacia"} {
		e := store.Received{}
		e.APIVersion = version
		m.stored(e, time.Now())
	}
	if n := testutil.ToFloat64(m.otherVersion); n != 2 {
		t.Errorf("%v events of other versions are counted, want 2", n)
	}
}

// A run that finds another worker at the task is no success: else a worker that hangs in it would not be noticed.
func TestATaskThatAnotherWorkerDoesIsNotCountedAsDone(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	other := r.figureTeller()
	released, held, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := other.store.Alone(t.Context(), store.CleanupLock, func(context.Context) error {
			close(held)
			<-released
			return nil
		})
		ended <- err
	}()
	<-held
	w := r.work()
	w.tells(`guichet_worker_tasks_total{result="elsewhere",task="cleanup"} 2`, `guichet_worker_tasks_total{result="ok",task="cleanup"} 0`,
		`guichet_worker_task_success_timestamp_seconds{task="cleanup"} 0`)
	close(released)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.tells(`guichet_worker_task_success_timestamp_seconds{task="cleanup"} 1.`)
}
