package scenario

import (
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/traffic"
)

func inboxCase(n int) string { return fmt.Sprintf("%d rows in the inbox", n) }

// growth is a drain on an empty database and on ones that hold years of events, with a stream that holds
// a million messages already. Each run brings new registrations and events.
func growth() Scenario {
	s := Scenario{
		Name: "growth", Growth: true,
		Open: func(ctx context.Context, b *Bench) ([]Case, error) {
			g, err := b.openGrowth(ctx)
			if err != nil {
				return nil, err
			}
			var cases []Case
			for i, rows := range b.Sizes.Inbox {
				cases = append(cases, Case{Name: inboxCase(Usual().Inbox[i]), Measure: func(ctx context.Context) (report.Sample, error) {
					return g.drain(ctx, rows, i == 0)
				}})
			}
			return cases, nil
		},
	}
	sizes := Usual().Inbox
	for _, rows := range sizes[1:] {
		c := report.Comparison{Name: inboxCase(rows), Case: inboxCase(rows), Metric: "rate", Unit: "/s", Against: inboxCase(sizes[0])}
		if rows == slices.Max(sizes) {
			c.AtLeast, c.Dream = 0.85, 0.95
		}
		s.Rows = append(s.Rows, c)
	}
	return s
}

type growing struct {
	bench *Bench
	basin *basin
	mixes []traffic.Mix // one a run
	run   int
}

func growthDatabase(rows int) string { return fmt.Sprintf("growth_%d", rows) }

func (b *Bench) openGrowth(ctx context.Context) (*growing, error) {
	postgres, err := b.Place.Postgres(ctx)
	if err != nil {
		return nil, err
	}
	g := &growing{bench: b, run: -1}
	var purchases []*traffic.Purchase
	for run := range b.Runs {
		mix := traffic.NewMix(b.Seed(), run*b.Sizes.Registrations, b.Sizes.Registrations, b.Sizes.Venues, b.Sizes.Events)
		g.mixes, purchases = append(g.mixes, mix), append(purchases, mix.Purchases...)
	}
	for _, rows := range b.Sizes.Inbox {
		name := growthDatabase(rows)
		b.say("growth: a database with %d events in the inbox", rows)
		if err := b.seeded(ctx, postgres, name, purchases); err != nil {
			return nil, err
		}
		if err := fillInbox(ctx, postgres, name, rows, b.Seed()); err != nil {
			return nil, err
		}
	}
	nats, err := b.Place.StartNATS(ctx, false)
	if err != nil {
		return nil, err
	}
	b.say("growth: a stream with %d messages", b.Sizes.Backlog)
	if err := traffic.Fill(ctx, nats.JS, traffic.NewSame(b.Seed(), b.Sizes.Backlog, markedBody, 0)); err != nil {
		return nil, err
	}
	g.basin = &basin{bench: b, postgres: postgres, nats: nats, events: b.Sizes.Events}
	return g, nil
}

func fillInbox(ctx context.Context, postgres *place.Postgres, name string, rows int, seed uint64) error {
	db, err := sqlx.ConnectContext(ctx, "postgres", postgres.URL(name))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return traffic.FillInbox(ctx, db, rows, seed)
}

// drain settles the run's events into the database of a size. The first case of a run brings its events.
func (g *growing) drain(ctx context.Context, rows int, begins bool) (report.Sample, error) {
	if begins {
		g.run++
		last, err := traffic.End(ctx, g.basin.nats.JS)
		if err != nil {
			return nil, err
		}
		g.basin.first = last + 1
		if err := traffic.Fill(ctx, g.basin.nats.JS, g.mixes[g.run].Events); err != nil {
			return nil, err
		}
	}
	database := growthDatabase(rows)
	if rows == 0 {
		database = work
		if err := g.basin.postgres.Copy(ctx, growthDatabase(rows), database); err != nil {
			return nil, err
		}
	} else if err := g.basin.postgres.Checkpoint(ctx); err != nil {
		return nil, err
	}
	if err := g.basin.nats.Consumer(ctx, g.basin.first); err != nil {
		return nil, err
	}
	return g.basin.drainInto(ctx, database, 1)
}
