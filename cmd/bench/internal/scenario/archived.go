package scenario

import (
	"context"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
)

// The tool's commands that read all events.
const verify, replay = "guichet verify", "guichet replay --apply"

// archived is what operators do with the events that the stream keeps: prove that the database is what they say, and
// settle all of them again, as after the restore of a database from before. Verify finds the database of the drain before it.
func (p *basin) archived() []Case {
	return []Case{
		{Name: verify, Measure: func(ctx context.Context) (report.Sample, error) {
			// Of events that have no row there is little to compare.
			if err := p.checkStored(ctx, work, 0); err != nil {
				if _, err := p.drain(workersCase(1), 1).Measure(ctx); err != nil {
					return nil, err
				}
			}
			return p.command(ctx, "verify")
		}},
		{Name: replay, Measure: func(ctx context.Context) (report.Sample, error) {
			if err := p.postgres.Copy(ctx, p.base, work); err != nil {
				return nil, err
			}
			sample, err := p.command(ctx, "replay", "--apply", "--yes", "--by", "bench")
			if err != nil {
				return nil, err
			}
			return sample, p.checkStored(ctx, work, 0)
		}},
	}
}

// command runs the tool over all events, from its start to its end.
func (p *basin) command(ctx context.Context, args ...string) (report.Sample, error) {
	var program *place.Program
	meters := []meter{{"nats-server", p.nats.CPU}, {"postgresql", p.postgres.CPU}, {"guichet", func() (time.Duration, error) {
		if program == nil {
			return 0, nil
		}
		return program.CPU()
	}}}
	return metered(meters, func() (report.Sample, int, error) {
		started := time.Now()
		var err error
		program, err = p.bench.Place.Command(place.Env{"NATS_URL": p.nats.URL, "DATABASE_URL": p.postgres.URL(work)}, args...)
		if err != nil {
			return nil, 0, err
		}
		err = program.Wait(ctx)
		return report.Sample{"rate": float64(p.events) / time.Since(started).Seconds()}, p.events, err
	})
}
