package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/stripe/stripe-go/v76"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// metrics are what a worker counts itself; every label value is there from the start, at zero. What the
// database and the stream hold is in figures.go, backlog.go and streams.go.
type metrics struct {
	events       map[string]map[outcome]prometheus.Counter // by type
	otherVersion prometheus.Counter
	redelivered  prometheus.Counter
	batches      *prometheus.CounterVec
	batchSize    prometheus.Histogram
	batchTime    prometheus.Histogram
	deadLetters  prometheus.Counter
	statuses     *prometheus.CounterVec
	delays       delays
	tasks        taskMetrics
	mails        *prometheus.CounterVec
	mailDelay    prometheus.Histogram
	backfilled   prometheus.Counter
	silence      prometheus.Gauge
	silenceLimit prometheus.Gauge
}

// outcome is what became of an event.
type outcome string

const (
	eventStored    outcome = "stored"
	eventIgnored   outcome = "ignored"
	eventDuplicate outcome = "duplicate"
	eventDead      outcome = "dead_letter"
)

// otherType stands for all types that tell no facts, whose names nobody bounds.
const otherType = "other"

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	m := &metrics{
		events: newEventCounters(f),
		otherVersion: f.NewCounter(prometheus.CounterOpts{
			Name: "guichet_worker_other_api_version_total",
			Help: "New events of another API version than " + stripe.APIVersion + ", which are settled as all others.",
		}),
		redelivered: f.NewCounter(prometheus.CounterOpts{
			Name: "guichet_worker_redelivered_total", Help: "Events that JetStream delivered again.",
		}),
		batches: f.NewCounterVec(prometheus.CounterOpts{
			Name: "guichet_worker_batches_total", Help: "Batches by verdict; wait, split and again are retries.",
		}, []string{"verdict"}),
		batchSize: f.NewHistogram(prometheus.HistogramOpts{
			Name: "guichet_worker_batch_events", Help: "Events in a batch.", Buckets: prometheus.ExponentialBuckets(1, 4, 6),
		}),
		batchTime: f.NewHistogram(prometheus.HistogramOpts{
			Name: "guichet_worker_batch_seconds", Help: "Time of a batch's transaction, committed or not.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		deadLetters: f.NewCounter(prometheus.CounterOpts{
			Name: "guichet_worker_dead_letters_total", Help: "Events moved to the dead letters.",
		}),
		statuses: f.NewCounterVec(prometheus.CounterOpts{
			Name: "guichet_worker_status_changes_total", Help: "Registrations that this worker gave another status, by the new one.",
		}, []string{"status"}),
		delays: newDelays(f),
		tasks:  newTaskMetrics(f),
		mails: f.NewCounterVec(prometheus.CounterOpts{
			Name: "guichet_worker_mails_total", Help: "Tries to send a mail by kind and result; pending is tried again.",
		}, []string{"kind", "result"}),
		mailDelay: f.NewHistogram(prometheus.HistogramOpts{
			Name: "guichet_worker_mail_delay_seconds", Help: "Time from a mail being wanted to being sent, the wait of action_required included.",
			Buckets: delayBuckets(),
		}),
		backfilled: f.NewCounter(prometheus.CounterOpts{
			Name: "guichet_worker_backfilled_total", Help: "Events that never came and that this worker brought into the stream.",
		}),
		silence: f.NewGauge(prometheus.GaugeOpts{
			Name: "guichet_worker_silence_seconds", Help: "How long ago the last event came that Stripe delivered, of those that are settled; 0 where none did.",
		}),
		silenceLimit: f.NewGauge(prometheus.GaugeOpts{
			Name: "guichet_worker_silence_limit_seconds", Help: "From how long on a silence is told to the admin; 0 is never, or not learnt yet.",
		}),
	}
	for _, v := range []verdict{ack, split, wait, again, deadLetter, giveBack} {
		m.batches.WithLabelValues(string(v))
	}
	for _, status := range registration.Statuses() {
		m.statuses.WithLabelValues(string(status))
	}
	for _, kind := range registration.MailKinds() {
		for _, status := range []store.MailStatus{store.MailSent, store.MailPending, store.MailDropped, store.MailFailed} {
			m.mails.WithLabelValues(string(kind), string(status))
		}
	}
	return m
}

func newEventCounters(f promauto.Factory) map[string]map[outcome]prometheus.Counter {
	events := f.NewCounterVec(prometheus.CounterOpts{
		Name: "guichet_worker_events_total", Help: "Events by type and by what became of them; types that tell no fact are other.",
	}, []string{"type", "outcome"})
	counters := map[string]map[outcome]prometheus.Counter{}
	for _, eventType := range append(stripeevent.Types(), otherType) {
		counters[eventType] = map[outcome]prometheus.Counter{}
		for _, o := range []outcome{eventStored, eventIgnored, eventDuplicate, eventDead} {
			counters[eventType][o] = events.WithLabelValues(eventType, string(o))
		}
	}
	return counters
}

// event counts one event of any type.
func (m *metrics) event(eventType string, o outcome) {
	counters, ok := m.events[eventType]
	if !ok {
		counters = m.events[otherType]
	}
	counters[o].Inc()
}

// stored counts an event that was new.
func (m *metrics) stored(e store.Received, now time.Time) {
	o := eventStored
	if e.Fact == nil {
		o = eventIgnored
	}
	m.event(e.Type, o)
	if e.APIVersion != "" && e.APIVersion != stripe.APIVersion {
		m.otherVersion.Inc()
	}
	m.delays.settled(e.Created, e.ReceivedAt, now)
}

func (m *metrics) changes(changes []store.Change) {
	for _, c := range changes {
		if c.From != c.To {
			m.statuses.WithLabelValues(string(c.To)).Inc()
		}
	}
}

func (m *metrics) mail(kind registration.MailKind, status store.MailStatus, age time.Duration) {
	m.mails.WithLabelValues(string(kind), string(status)).Inc()
	if status == store.MailSent {
		m.mailDelay.Observe(max(age, 0).Seconds())
	}
}

func (m *metrics) batch(v verdict, size int, took time.Duration) {
	m.batches.WithLabelValues(string(v)).Inc()
	m.batchSize.Observe(float64(size))
	m.batchTime.Observe(took.Seconds())
}
