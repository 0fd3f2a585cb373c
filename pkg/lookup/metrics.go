package lookup

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	factory := promauto.With(r)
	m := &metrics{
		requests: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "guichet_lookup_requests_total", Help: "Requests sent to Stripe's API by what was asked for and what became of it.",
		}, []string{"question", "result"}),
		seconds: factory.NewHistogram(prometheus.HistogramOpts{
			Name: "guichet_lookup_request_seconds", Help: "Time that a request to Stripe's API took.",
			Buckets: prometheus.ExponentialBuckets(0.02, 2, 11), // to 20 s
		}),
	}
	for _, q := range []question{askSession, askIntent, askCharge, askSessions, askEvents, askEndpoints} {
		for _, result := range []string{
			resultFound, resultNotFound, resultLimited, resultUnavailable, resultRefused, resultUnexpected, resultGivenUp,
		} {
			m.requests.WithLabelValues(string(q), result)
		}
	}
	return m
}

func (m *metrics) request(q question, result string, took time.Duration) {
	m.requests.WithLabelValues(string(q), result).Inc()
	m.seconds.Observe(took.Seconds())
}
