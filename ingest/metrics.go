package ingest

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the ingester's; every label value is there from the start, at zero.
type metrics struct {
	requests map[outcome]prometheus.Counter
	verified []prometheus.Counter // by the secret's position, counted from 1
	verify   prometheus.Histogram
	publish  prometheus.Histogram
	batches  map[way]prometheus.Counter // a fall-back is counted beside the atomic batch that it follows
	events   prometheus.Histogram
	last     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, secrets int) *metrics {
	factory := promauto.With(r)
	requests := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "guichet_ingest_requests_total", Help: "Requests by how they ended and the HTTP status of the answer.",
	}, []string{"outcome", "status"})
	verified := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "guichet_ingest_verified_total", Help: "Verified requests by the position of the secret that signed them, to see when a rolled one is no longer used.",
	}, []string{"secret"})
	batches := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "guichet_ingest_batches_total", Help: "Groups of events published, by way; a fallback follows an atomic batch that was refused.",
	}, []string{"way"})
	m := &metrics{
		requests: map[outcome]prometheus.Counter{},
		batches:  map[way]prometheus.Counter{},
		verify: factory.NewHistogram(prometheus.HistogramOpts{
			Name: "guichet_ingest_verify_seconds", Help: "Time to check a signature.",
			Buckets: prometheus.ExponentialBuckets(5e-6, 2, 12),
		}),
		publish: factory.NewHistogram(prometheus.HistogramOpts{
			Name: "guichet_ingest_publish_seconds", Help: "Time from a verified event to its outcome, stored or not.",
			Buckets: prometheus.ExponentialBuckets(250e-6, 2, 16),
		}),
		events: factory.NewHistogram(prometheus.HistogramOpts{
			Name: "guichet_ingest_batch_events", Help: "Events published together.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
		last: factory.NewGauge(prometheus.GaugeOpts{
			Name: "guichet_ingest_last_event_timestamp_seconds", Help: "When this ingester last answered 200, in Unix time; 0 if not since its start.",
		}),
	}
	for o, t := range answerTerms() {
		m.requests[o] = requests.WithLabelValues(string(o), strconv.Itoa(t.status))
	}
	for i := range secrets {
		m.verified = append(m.verified, verified.WithLabelValues(strconv.Itoa(i+1)))
	}
	for _, w := range []way{waySingle, wayAtomic, wayFallback} {
		m.batches[w] = batches.WithLabelValues(string(w))
	}
	return m
}
