package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// delays are how long events take, each stage of the way and all of it. Stripe's time of creation is in whole
// seconds, so what is counted from it is up to a second too long.
type delays struct{ delivery, settling, total prometheus.Observer }

func newDelays(f promauto.Factory) delays {
	stages := f.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "guichet_worker_event_delay_seconds",
		Help:    "Delay of new events: delivery from Stripe's creation to our receipt, settling from receipt to the commit, total from creation to the commit.",
		Buckets: delayBuckets(),
	}, []string{"stage"})
	return delays{stages.WithLabelValues("delivery"), stages.WithLabelValues("settling"), stages.WithLabelValues("total")}
}

// delayBuckets reach from a few milliseconds to the three days for which Stripe retries.
func delayBuckets() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600}
}

// settled takes in an event that is committed now. A time that is not known is left out; clocks that differ
// count as no delay.
func (d delays) settled(created, received, now time.Time) {
	if !received.IsZero() {
		d.settling.Observe(max(now.Sub(received), 0).Seconds())
		if !created.IsZero() {
			d.delivery.Observe(max(received.Sub(created), 0).Seconds())
		}
	}
	if !created.IsZero() {
		d.total.Observe(max(now.Sub(created), 0).Seconds())
	}
}
