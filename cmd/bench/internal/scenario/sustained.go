package scenario

import (
	"context"
	"errors"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/traffic"
)

// sustained is the highest rate of mixed events that everything holds together, on this machine with the load.
func sustained() Scenario {
	const ours, inline = "Guichet", "inline handler, all that it takes"
	return Scenario{
		Name: "highest rate end to end",
		Open: func(ctx context.Context, b *Bench) ([]Case, error) {
			h, err := b.openHolding(ctx)
			if err != nil {
				return nil, err
			}
			return []Case{
				{Name: inline, Measure: h.inlineRate, Once: true},
				{Name: ours, Measure: h.highest, Once: true},
			}, nil
		},
		Rows: []report.Comparison{
			{Name: ours, Case: ours, Metric: "rate", Unit: "/s", Mark: 6000, AtLeast: 1, Dream: 8000.0 / 6000},
			{Name: ours, Case: ours, Metric: "rate", Unit: "/s", Against: inline},
		},
	}
}

// holding is a whole Guichet, and an inline handler beside it, and events for both.
type holding struct {
	bench          *Bench
	nats           *place.NATS
	ours, inline   *endpoint
	events, others []traffic.Event
}

func (b *Bench) openHolding(ctx context.Context) (*holding, error) {
	postgres, err := b.Place.Postgres(ctx)
	if err != nil {
		return nil, err
	}
	// Enough for the probes and for holding the highest rate, or for trying to hold two lower ones.
	n := int(float64(b.Sizes.Highest)*(b.Sizes.Sustain*3/2+probes*b.probeWindow()).Seconds()) + 1000
	mix := traffic.NewMix(b.Seed(), 0, n/5, b.Sizes.Venues, n)
	for _, database := range []string{"holding", "inline"} {
		if err := b.seeded(ctx, postgres, database, mix.Purchases); err != nil {
			return nil, err
		}
	}
	h := &holding{bench: b, events: mix.Events, others: mix.Events}
	if h.inline, err = b.inline(ctx, postgres.URL("inline")); err != nil {
		return nil, err
	}
	if h.nats, err = b.Place.StartNATS(ctx, false); err != nil {
		return nil, err
	}
	if h.ours, err = b.ingester(ctx, h.nats); err != nil {
		return nil, err
	}
	if _, err = b.worker(ctx, h.nats.URL, postgres.URL("holding"), nil); err != nil {
		return nil, err
	}
	return h, postgres.Checkpoint(ctx)
}

// probes is how many rates are tried before one is held for long.
const probes = 5

func (b *Bench) probeWindow() time.Duration { return b.Sizes.Sustain / 10 }

// inlineRate is what the inline handler takes from as many connections as it has in its pool four times over.
func (h *holding) inlineRate(ctx context.Context) (report.Sample, error) {
	const connections = 64
	n := min(len(h.others), int(float64(h.bench.Sizes.Highest)*h.bench.probeWindow().Seconds())+1)
	posted, err := traffic.Post(ctx, h.inline.address, traffic.NewRequests(h.others[:n]), connections, h.bench.probeWindow())
	if err != nil {
		return nil, err
	}
	h.others = h.others[min(n, posted.Requests+connections):]
	return report.Sample{"rate": posted.Rate(), "p99 ms": milliseconds(posted.Quantile(0.99))}, nil
}

// highest searches by halves, then holds a little less than the rate that was found, or still less, for long.
func (h *holding) highest(ctx context.Context) (report.Sample, error) {
	least, high := float64(h.bench.Sizes.Highest)/20, float64(h.bench.Sizes.Highest)
	low := least
	for range probes {
		rate := (low + high) / 2
		held, _, err := h.hold(ctx, rate, h.bench.probeWindow())
		if err != nil {
			return nil, err
		}
		if held {
			low = rate
		} else {
			high = rate
		}
	}
	const less = 0.9
	for rate := low * less; ; rate *= less {
		held, sample, err := h.hold(ctx, rate, h.bench.Sizes.Sustain)
		if err != nil || held || rate < least {
			return sample, err
		}
	}
}

// hold offers a rate, and says whether it was held: neither the requests nor the worker fell behind.
func (h *holding) hold(ctx context.Context, rate float64, window time.Duration) (held bool, _ report.Sample, err error) {
	h.bench.say("highest rate end to end: %.0f/s for %s", rate, window)
	n := int(rate*window.Seconds()*1.05) + 20
	if n > len(h.events) {
		return false, nil, errors.New("no events are left to offer: Highest is too low for this machine")
	}
	requests := traffic.NewRequests(h.events[:n])
	h.events = h.events[n:]
	lags := make(chan []float64, 1)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go func() { lags <- h.watchLag(watching, window/40) }()
	offered, err := traffic.Offer(ctx, h.ours.address, requests, rate, window, h.bench.Seed())
	stop()
	all := <-lags
	if err != nil {
		return false, nil, err
	}
	ended := time.Now()
	if err := h.nats.AwaitDrained(ctx); err != nil {
		return false, nil, err
	}
	// A lag of less than a quarter of a second is batches on their way.
	behind := time.Since(ended)
	late := offered.Answered[len(offered.Answered)-1].Sub(offered.Due[len(offered.Due)-1])
	early, last := mean(all[len(all)/4:len(all)/2]), mean(all[len(all)*3/4:])
	const slack = 250 * time.Millisecond
	held = last < 1.5*early+rate*slack.Seconds() && late < 2*slack && behind < 4*slack
	return held, report.Sample{
		"rate": float64(len(offered.Due)) / window.Seconds(), "lag": last, "answered late ms": milliseconds(late), "behind ms": milliseconds(behind),
	}, nil
}

func (h *holding) watchLag(ctx context.Context, every time.Duration) (all []float64) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if lag, err := h.nats.Lag(ctx); err == nil {
			all = append(all, float64(lag))
		}
		select {
		case <-ctx.Done():
			return all
		case <-ticker.C:
		}
	}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(len(values), 1))
}
