package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

type metrics struct {
	events      *prometheus.CounterVec
	batches     *prometheus.CounterVec
	batchSize   prometheus.Histogram
	batchTime   prometheus.Histogram
	deadLetters prometheus.Counter
	tasks       *prometheus.CounterVec
	mails       *prometheus.CounterVec
	cleanupLate prometheus.Gauge
}

// Periodic tasks, the closed set of a label.
const (
	taskSweep   = "sweep"
	taskCleanup = "cleanup"
	taskMail    = "mail"
	taskAsk     = "ask"
)

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	m := &metrics{
		events: f.NewCounterVec(prometheus.CounterOpts{
			Name: "guichet_worker_events_total", Help: "Events by what became of them.",
		}, []string{"outcome"}),
		batches: f.NewCounterVec(prometheus.CounterOpts{
			Name: "guichet_worker_batches_total", Help: "Batches by verdict; wait, split and again are retries.",
		}, []string{"verdict"}),
		batchSize: f.NewHistogram(prometheus.HistogramOpts{
			Name: "guichet_worker_batch_events", Help: "Events in a batch.", Buckets: prometheus.ExponentialBuckets(1, 4, 6),
		}),
		batchTime: f.NewHistogram(prometheus.HistogramOpts{
			Name: "guichet_worker_batch_seconds", Help: "Time to settle a batch.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		deadLetters: f.NewCounter(prometheus.CounterOpts{
			Name: "guichet_worker_dead_letters_total", Help: "Events moved to the dead letters.",
		}),
		tasks: f.NewCounterVec(prometheus.CounterOpts{
			Name: "guichet_worker_tasks_total", Help: "Runs of periodic tasks by result.",
		}, []string{"task", "result"}),
		cleanupLate: f.NewGauge(prometheus.GaugeOpts{
			Name: "guichet_worker_cleanup_late_seconds", Help: "How long the oldest deadline had passed when cleanup began on this worker.",
		}),
		mails: f.NewCounterVec(prometheus.CounterOpts{
			Name: "guichet_worker_mails_total", Help: "Tries to send a mail by kind and result; pending is tried again.",
		}, []string{"kind", "result"}),
	}
	for _, outcome := range []string{"stored", "ignored", "duplicate"} {
		m.events.WithLabelValues(outcome)
	}
	for _, v := range []verdict{ack, split, wait, again, deadLetter, giveBack} {
		m.batches.WithLabelValues(string(v))
	}
	for _, task := range []string{taskSweep, taskCleanup, taskMail, taskAsk} {
		m.tasks.WithLabelValues(task, "ok")
		m.tasks.WithLabelValues(task, "failed")
	}
	for _, kind := range registration.MailKinds() {
		for _, status := range []store.MailStatus{store.MailSent, store.MailPending, store.MailDropped, store.MailFailed} {
			m.mails.WithLabelValues(string(kind), string(status))
		}
	}
	return m
}

func (m *metrics) mail(kind registration.MailKind, status store.MailStatus) {
	m.mails.WithLabelValues(string(kind), string(status)).Inc()
}

func (m *metrics) event(outcome string) { m.events.WithLabelValues(outcome).Inc() }

func (m *metrics) batch(v verdict, size int, took time.Duration) {
	m.batches.WithLabelValues(string(v)).Inc()
	m.batchSize.Observe(float64(size))
	m.batchTime.Observe(took.Seconds())
}

func (m *metrics) task(name string, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.tasks.WithLabelValues(name, result).Inc()
}
