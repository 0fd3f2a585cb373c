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
		{Name: verify, Measure: func(ctx context.Context) (report.Sample, error) { return p.command(ctx, "verify") }},
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
