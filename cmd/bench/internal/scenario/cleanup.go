package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/baseline"
	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/traffic"
	"github.com/educareschool/guichet/pkg/store"
)

// cleanup ends sessions whose deadline has passed, all at once, as after an outage.
func cleanup() Scenario {
	const ours, plain = "cleanup", "one transaction a deadline"
	return Scenario{
		Name: "cleanup of deadlines", Growth: true,
		Open: func(ctx context.Context, b *Bench) ([]Case, error) {
			postgres, err := b.Place.Postgres(ctx)
			if err != nil {
				return nil, err
			}
			nats, err := b.Place.StartNATS(ctx, false)
			if err != nil {
				return nil, err
			}
			mix := traffic.NewMix(b.Seed(), 0, b.Sizes.Deadlines, b.Sizes.Venues, 0)
			if err := b.seeded(ctx, postgres, "deadlines", mix.Purchases); err != nil {
				return nil, err
			}
			c := cleaning{b, postgres, nats}
			return []Case{
				{Name: plain, Measure: func(ctx context.Context) (report.Sample, error) { return c.plain(ctx, b.Sizes.Deadlines/100) }},
				{Name: ours, Measure: c.worker},
			}, nil
		},
		Rows: []report.Comparison{{Name: ours, Case: ours, Metric: "rate", Unit: "/s", Against: plain}},
	}
}

type cleaning struct {
	bench    *Bench
	postgres *place.Postgres
	nats     *place.NATS
}

// worker has the one that is shipped clean up, which it does once it has started.
func (c cleaning) worker(ctx context.Context) (report.Sample, error) {
	if err := c.postgres.Copy(ctx, "deadlines", work); err != nil {
		return nil, err
	}
	lines := newLines("🧹 Starting cleanup", "✅ Cleanup completed: ")
	worker, err := c.bench.worker(ctx, c.nats.URL, c.postgres.URL(work), lines)
	if err != nil {
		return nil, err
	}
	began, _, err := lines.await(ctx, 0)
	if err != nil {
		return nil, err
	}
	ended, rest, err := lines.await(ctx, 1)
	if err != nil {
		return nil, err
	}
	var cleaned, found int
	if _, err := fmt.Sscanf(rest, "%d/%d registrations", &cleaned, &found); err != nil || cleaned != c.bench.Sizes.Deadlines || found != cleaned {
		return nil, errors.Join(fmt.Errorf("the worker said %.60q", rest), err)
	}
	used, err := worker.CPU()
	if err != nil {
		return nil, err
	}
	sample := report.Sample{"rate": float64(cleaned) / ended.Sub(began).Seconds(), "cpu us worker": float64(used.Microseconds()) / float64(cleaned)}
	return sample, worker.Stop()
}

// plain cleans some of the deadlines with the same statements, each in a transaction of its own.
func (c cleaning) plain(ctx context.Context, deadlines int) (report.Sample, error) {
	if err := c.postgres.Copy(ctx, "deadlines", work); err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, c.postgres.URL(work), baseline.StoreOptions(2))
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	started := time.Now()
	overdue, err := s.Overdue(ctx, deadlines, nil)
	if err != nil {
		return nil, err
	}
	for _, o := range overdue {
		if _, err := s.Process(ctx, []store.Received{store.Own(o.Registration.ID, o.Fact)}); err != nil {
			return nil, err
		}
	}
	return report.Sample{"rate": float64(len(overdue)) / time.Since(started).Seconds()}, nil
}
