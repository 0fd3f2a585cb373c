package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/baseline"
	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/traffic"
)

// endToEnd is the time from when a payment's webhook is due to be sent until its registration is committed as paid.
// The worker says so in its log, as soon as it is committed.
//
// The inline handler is offered no more than overload: what it queues at twice that takes long and says nothing new.
func endToEnd() Scenario {
	const overload = 1000
	ours := func(rate int) string { return fmt.Sprintf("Guichet, %d/s", rate) }
	inline := func(rate int) string { return fmt.Sprintf("inline handler, %d/s", min(rate, overload)) }
	s := Scenario{Name: "end to end", Open: func(ctx context.Context, b *Bench) ([]Case, error) {
		through, err := b.openThrough(ctx)
		if err != nil {
			return nil, err
		}
		var cases []Case
		add := func(name string, w *way, rate int) {
			cases = append(cases, Case{Name: name, Measure: func(ctx context.Context) (report.Sample, error) { return w.measure(ctx, b, rate) }})
		}
		for _, rate := range b.Sizes.Rates {
			if rate <= overload {
				add(inline(rate), through.inline, rate)
			}
			add(ours(rate), through.ours, rate)
		}
		return cases, nil
	}}
	for _, rate := range Usual().Rates {
		for _, quantile := range []string{"p50", "p95", "p99"} {
			c := report.Comparison{
				Name: fmt.Sprintf("%s at %d/s", quantile, rate), Case: ours(rate), Metric: quantile + " ms", Unit: "ms", Less: true, Against: inline(rate),
			}
			s.Rows = append(s.Rows, c)
			if marks, marked := map[string][2]float64{"p50": {5, 3}, "p99": {20, 10}}[quantile]; marked && rate == 500 {
				c.Against, c.Mark, c.AtLeast, c.Dream = "", marks[0], 1, marks[0]/marks[1]
				s.Rows = append(s.Rows, c)
				c.Name, c.Metric = c.Name+", while the processors went at their speed", quantile+steady
				s.Rows = append(s.Rows, c)
			}
		}
	}
	return s
}

// steady is the metric of the payments that met no moment in which the processors were slow.
const steady = " ms, steady"

// through are both ways from a webhook to a row.
type through struct{ ours, inline *way }

// way is one of them.
type way struct {
	address  string
	commits  *commits // nil where the answer comes after the commit
	payments []traffic.Event
}

func (b *Bench) openThrough(ctx context.Context) (through, error) {
	postgres, err := b.Place.Postgres(ctx)
	if err != nil {
		return through{}, err
	}
	needed := 0.0
	for _, rate := range b.Sizes.Rates {
		needed += float64(rate*b.Runs) * b.Sizes.RateWindow.Seconds()
	}
	mix := traffic.NewPayments(b.Seed(), 0, int(needed*1.1)+100, b.Sizes.Venues)
	for _, database := range []string{"through", "inline"} {
		if err := b.seeded(ctx, postgres, database, mix.Purchases); err != nil {
			return through{}, err
		}
	}
	inline, err := b.inline(ctx, postgres.URL("inline"))
	if err != nil {
		return through{}, err
	}
	nats, err := b.Place.StartNATS(ctx, false)
	if err != nil {
		return through{}, err
	}
	ingester, err := b.ingester(ctx, nats)
	if err != nil {
		return through{}, err
	}
	seen := &commits{at: map[string]time.Time{}}
	if _, err := b.worker(ctx, nats.URL, postgres.URL("through"), seen); err != nil {
		return through{}, err
	}
	return through{
		ours:   &way{ingester.address, seen, mix.Events},
		inline: &way{inline.address, nil, mix.Events},
	}, postgres.Checkpoint(ctx)
}

func (b *Bench) inline(ctx context.Context, databaseURL string) (*endpoint, error) {
	address, err := place.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	program, err := b.Place.Role(baseline.InlineRole, place.Env{
		baseline.ListenVariable: address, baseline.SecretVariable: traffic.Secret, baseline.DatabaseVariable: databaseURL,
	}, nil)
	if err != nil {
		return nil, err
	}
	return &endpoint{program, address, nil}, program.Await(ctx, listening(address))
}

// A payment is told for steady where the processors were not slow from before it was due, as what queues meanwhile is in the
// way of others, until the mark of p99 after it: how long it took itself makes no difference.
const (
	catchingUp = 50 * time.Millisecond
	enough     = 20 * time.Millisecond
)

// measure offers payments at a rate and says how long they took to be committed.
func (w *way) measure(ctx context.Context, b *Bench, rate int) (report.Sample, error) {
	n := min(int(float64(rate)*b.Sizes.RateWindow.Seconds()*1.1)+20, len(w.payments))
	events := w.payments[:n]
	speed := place.ReadSpeed()
	offered, err := traffic.Offer(ctx, w.address, traffic.NewRequests(events), float64(rate), b.Sizes.RateWindow, b.Seed())
	slow := speed.Stop()
	if err != nil {
		return nil, err
	}
	events = events[:len(offered.Due)]
	w.payments = w.payments[len(events):]
	answered, committed := make([]time.Duration, len(events)), make([]time.Duration, len(events))
	var steadily []time.Duration
	for i, e := range events {
		answered[i] = offered.Answered[i].Sub(offered.Due[i])
		committed[i] = answered[i]
		if w.commits != nil {
			at, err := w.commits.await(ctx, e.Registration())
			if err != nil {
				return nil, err
			}
			committed[i] = at.Sub(offered.Due[i])
		}
		if due := offered.Due[i]; !slow.During(due.Add(-catchingUp), due.Add(enough)) {
			steadily = append(steadily, committed[i])
		}
	}
	left := float64(len(steadily))
	if left == 0 { // which "steady payments" tells
		steadily = slices.Clone(committed)
	}
	slices.Sort(answered)
	slices.Sort(committed)
	slices.Sort(steadily)
	of := func(sorted []time.Duration, q float64) float64 {
		return milliseconds(sorted[int(q*float64(len(sorted)))])
	}
	return report.Sample{
		"p50 ms": of(committed, 0.5), "p95 ms": of(committed, 0.95), "p99 ms": of(committed, 0.99),
		"p50" + steady: of(steadily, 0.5), "p99" + steady: of(steadily, 0.99),
		"steady payments": left, "slow share": slow.Share,
		"answer p50 ms": of(answered, 0.5), "answer p99 ms": of(answered, 0.99), "payments": float64(len(events)),
	}, nil
}

// commits is when the worker has said of each registration that its payment is confirmed.
type commits struct {
	mu   sync.Mutex
	left []byte
	at   map[string]time.Time
}

// Write takes what the worker prints.
func (c *commits) Write(p []byte) (int, error) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = append(c.left, p...)
	for {
		line, rest, whole := bytes.Cut(c.left, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		if _, after, found := bytes.Cut(line, []byte("Payment confirmed for registration: ")); found {
			registration, _, _ := bytes.Cut(after, []byte(`"`))
			c.at[string(registration)] = now
		}
		c.left = rest
	}
}

// await returns when a registration's payment was confirmed.
func (c *commits) await(ctx context.Context, registration string) (time.Time, error) {
	const patience, poll = 30 * time.Second, 2 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("it was not committed in time"))
	defer cancel()
	for {
		c.mu.Lock()
		at, there := c.at[registration]
		c.mu.Unlock()
		if there {
			return at, nil
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return at, fmt.Errorf("the payment of %s: %w", registration, context.Cause(ctx))
		}
	}
}
