package scenario

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/cmd/bench/internal/baseline"
	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/traffic"
)

// basin is a stream full of events and the database that they are about, to be drained again and again.
type basin struct {
	bench    *Bench
	postgres *place.Postgres
	nats     *place.NATS
	base     string // the database as it is before a drain
	first    uint64 // message to drain
	events   int
}

// work is the database of the measurement under way.
const work = "work"

// fill stores a mix in a stream of its own and its registrations in a database, settled as the sweeper leaves them.
func (b *Bench) fill(ctx context.Context, base string, mix traffic.Mix) (*basin, error) {
	postgres, err := b.Place.Postgres(ctx)
	if err != nil {
		return nil, err
	}
	err = b.seeded(ctx, postgres, base, mix.Purchases)
	if err != nil {
		return nil, err
	}
	nats, err := b.Place.StartNATS(ctx, false)
	if err != nil {
		return nil, err
	}
	if err := traffic.Fill(ctx, nats.JS, mix.Events); err != nil {
		return nil, err
	}
	return &basin{bench: b, postgres: postgres, nats: nats, base: base, first: 1, events: len(mix.Events)}, nil
}

// seeded makes a database of registrations, settled as the sweeper leaves them.
func (b *Bench) seeded(ctx context.Context, postgres *place.Postgres, name string, purchases []*traffic.Purchase) error {
	err := postgres.Migrated(ctx, name, func(db *sqlx.DB) error { return traffic.Seed(ctx, db, purchases) })
	if err != nil {
		return err
	}
	return traffic.Swept(ctx, postgres.URL(name), baseline.StoreOptions(2))
}

// drain is a case of so many workers that drain the stream.
func (p *basin) drain(name string, workers int) Case {
	return Case{Name: name, Measure: func(ctx context.Context) (report.Sample, error) {
		if err := p.postgres.Copy(ctx, p.base, work); err != nil {
			return nil, err
		}
		if err := p.nats.Consumer(ctx, p.first); err != nil {
			return nil, err
		}
		return p.drainInto(ctx, work, workers)
	}}
}

// drainInto has workers settle all events into a database. The consumer is there, and delivers once they are ready.
func (p *basin) drainInto(ctx context.Context, database string, workers int) (report.Sample, error) {
	before, err := p.stored(ctx, database)
	if err != nil {
		return nil, err
	}
	var programs []*place.Program
	meters := []meter{{"nats-server", p.nats.CPU}, {"postgresql", p.postgres.CPU}}
	for range workers {
		program, err := p.bench.worker(ctx, p.nats.URL, p.postgres.URL(database), nil)
		if err != nil {
			return nil, err
		}
		programs = append(programs, program)
	}
	meters = append(meters, meter{"worker", func() (sum time.Duration, err error) {
		for _, program := range programs {
			used, err := program.CPU()
			if err != nil {
				return 0, err
			}
			sum += used
		}
		return sum, nil
	}})
	sample, err := metered(meters, func() (report.Sample, int, error) {
		if err := p.nats.Release(ctx); err != nil {
			return nil, 0, err
		}
		started := time.Now()
		err := p.nats.AwaitDrained(ctx)
		return report.Sample{"rate": float64(p.events) / time.Since(started).Seconds()}, p.events, err
	})
	if err != nil {
		return nil, err
	}
	for _, program := range programs {
		_, peak, err := program.Memory()
		if err != nil {
			return nil, err
		}
		sample["peak MiB"] = max(sample["peak MiB"], float64(peak)/(1<<20))
		if err := program.Stop(); err != nil {
			return nil, err
		}
	}
	return sample, p.checkStored(ctx, database, before)
}

// checkStored fails where a database does not hold all events beside those that it held before.
func (p *basin) checkStored(ctx context.Context, database string, before int) error {
	after, err := p.stored(ctx, database)
	if err == nil && after-before != p.events {
		err = fmt.Errorf("%d events were settled and %d are stored", p.events, after-before)
	}
	return err
}

func (p *basin) stored(ctx context.Context, database string) (int, error) {
	return p.postgres.Count(ctx, database, `SELECT count(*) FROM stripe_events WHERE source = 'stripe' AND stream_sequence >= $1`, p.first)
}

// oneByOne is the baseline: so many of the events, each in a transaction of its own.
func (p *basin) oneByOne(name string, connections, events int) Case {
	return Case{Name: name, Measure: func(ctx context.Context) (report.Sample, error) {
		if err := p.postgres.Copy(ctx, p.base, work); err != nil {
			return nil, err
		}
		if err := p.nats.Consumer(ctx, p.first); err != nil {
			return nil, err
		}
		program, err := p.bench.Place.Role(baseline.OneByOneRole, place.Env{
			baseline.NATSVariable: p.nats.URL, baseline.DatabaseVariable: p.postgres.URL(work), baseline.WorkersVariable: strconv.Itoa(connections),
		}, nil)
		if err != nil {
			return nil, err
		}
		// It pulls as soon as it is ready; that nothing is delivered before Release takes its start out of the measurement.
		if err := program.Await(ctx, p.pulled); err != nil {
			return nil, err
		}
		meters := []meter{{"nats-server", p.nats.CPU}, {"postgresql", p.postgres.CPU}, {"worker", program.CPU}}
		sample, err := metered(meters, func() (report.Sample, int, error) {
			if err := p.nats.Release(ctx); err != nil {
				return nil, 0, err
			}
			started := time.Now()
			done, err := p.awaitAcknowledged(ctx, min(events, p.events))
			return report.Sample{"rate": float64(done) / time.Since(started).Seconds(), "connections": float64(connections)}, done, err
		})
		if err != nil {
			return nil, err
		}
		return sample, program.Stop()
	}}
}

func (p *basin) awaitAcknowledged(ctx context.Context, events int) (int, error) {
	for {
		lag, err := p.nats.Lag(ctx)
		if err != nil {
			return 0, err
		}
		if done := p.events - int(lag); done >= events { // #nosec G115 -- at most the events
			return done, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// pulled says whether somebody waits for the consumer's messages.
func (p *basin) pulled(ctx context.Context) error {
	waiting, err := p.nats.Waiting(ctx)
	if err == nil && waiting == 0 {
		err = fmt.Errorf("nobody pulls yet")
	}
	return err
}

// worker starts the one that is shipped, with its defaults.
func (b *Bench) worker(ctx context.Context, natsURL, databaseURL string, watch io.Writer) (*place.Program, error) {
	admin, err := place.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	program, err := b.Place.Service("worker", place.Env{"NATS_URL": natsURL, "DATABASE_URL": databaseURL, "ADMIN_ADDR": admin}, watch)
	if err != nil {
		return nil, err
	}
	return program, program.Await(ctx, place.Healthy(admin))
}
