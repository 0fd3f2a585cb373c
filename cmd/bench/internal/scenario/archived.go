package scenario

import (
	"context"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/traffic"
)

// archived is what operators do with the events that the stream keeps: prove that the database is what they say, and
// settle all of them again, as after the restore of a database from before.
func archived() Scenario {
	const verify, replay = "guichet verify", "guichet replay --apply"
	return Scenario{
		Name: "verify and replay",
		Open: func(ctx context.Context, b *Bench) ([]Case, error) {
			mix := traffic.NewMix(b.Seed(), 0, b.Sizes.Registrations, b.Sizes.Venues, b.Sizes.Events)
			basin, err := b.fill(ctx, "archived", mix)
			if err != nil {
				return nil, err
			}
			return []Case{
				basin.drain(workersCase(1), 1), // which leaves its database for verify
				{Name: verify, Measure: func(ctx context.Context) (report.Sample, error) { return basin.command(ctx, "verify") }},
				{Name: replay, Measure: func(ctx context.Context) (report.Sample, error) {
					if err := basin.postgres.Copy(ctx, basin.base, work); err != nil {
						return nil, err
					}
					sample, err := basin.command(ctx, "replay", "--apply", "--yes", "--by", "bench")
					if err != nil {
						return nil, err
					}
					return sample, basin.checkStored(ctx, work, 0)
				}},
			}, nil
		},
		Rows: []report.Comparison{
			{Name: verify, Case: verify, Metric: "rate", Unit: "/s", Mark: 50_000, AtLeast: 1},
			{Name: replay, Case: replay, Metric: "rate", Unit: "/s", Against: workersCase(1), AtLeast: 1},
		},
	}
}

// command runs the tool over all events, from its start to its end.
func (p *basin) command(ctx context.Context, args ...string) (report.Sample, error) {
	started := time.Now()
	program, err := p.bench.Place.Command(place.Env{"NATS_URL": p.nats.URL, "DATABASE_URL": p.postgres.URL(work)}, args...)
	if err != nil {
		return nil, err
	}
	if err := program.Wait(ctx); err != nil {
		return nil, err
	}
	return report.Sample{"rate": float64(p.events) / time.Since(started).Seconds()}, nil
}
