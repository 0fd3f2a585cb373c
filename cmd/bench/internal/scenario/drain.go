package scenario

import (
	"context"
	"fmt"

	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/traffic"
)

const oneTransaction = "one transaction an event, the best of 4, 8 and 16 connections"

func workersCase(n int) string {
	if n == 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers", n)
}

// drain is the worker's whole way: pull, decode, transaction, acknowledgement; and what the tool does with the same events.
func drain() Scenario {
	return Scenario{
		Name: "drain, verify and replay",
		Open: func(ctx context.Context, b *Bench) ([]Case, error) {
			mix := traffic.NewMix(b.Seed(), 0, b.Sizes.Registrations, b.Sizes.Venues, b.Sizes.Events)
			basin, err := b.fill(ctx, "drain", mix)
			if err != nil {
				return nil, err
			}
			best, err := basin.bestOneByOne(ctx, b.Sizes.OneByOne)
			if err != nil {
				return nil, err
			}
			cases := []Case{best}
			for _, n := range []int{4, 2, 1} {
				cases = append(cases, basin.drain(workersCase(n), n))
			}
			return append(cases, basin.archived()...), nil
		},
		Rows: []report.Comparison{
			{Name: "1 worker", Case: workersCase(1), Metric: "rate", Unit: "/s", Against: oneTransaction, AtLeast: 10, Dream: 12},
			{Name: "2 workers", Case: workersCase(2), Metric: "rate", Unit: "/s", Against: workersCase(1)},
			{Name: "4 workers", Case: workersCase(4), Metric: "rate", Unit: "/s", Against: workersCase(1), AtLeast: 0.8},
			{Name: "worker's memory at its most", Case: workersCase(1), Metric: "peak MiB", Unit: "MiB", Less: true, Mark: 80, AtLeast: 1, Dream: 1.6},
			{Name: verify, Case: verify, Metric: "rate", Unit: "/s", Mark: 50_000, AtLeast: 1},
			{Name: replay, Case: replay, Metric: "rate", Unit: "/s", Against: workersCase(1), AtLeast: 1},
		},
	}
}

// bestOneByOne tries the baseline with 4, 8 and 16 connections and returns it with the fastest of them.
func (p *basin) bestOneByOne(ctx context.Context, events int) (Case, error) {
	var best Case
	fastest := 0.0
	for _, connections := range []int{4, 8, 16} {
		c := p.oneByOne(oneTransaction, connections, events/3)
		sample, err := c.Measure(ctx)
		if err != nil {
			return Case{}, err
		}
		if sample["rate"] > fastest {
			best, fastest = p.oneByOne(oneTransaction, connections, events), sample["rate"]
		}
	}
	return best, nil
}

// hotEvent has all registrations want places of the same event, whose row every batch then locks.
func hotEvent() Scenario {
	const hot, spread = "one event", "spread over all events"
	return Scenario{
		Name: "hot event", Growth: true,
		Open: func(ctx context.Context, b *Bench) ([]Case, error) {
			var cases []Case
			for _, of := range []struct {
				name   string
				venues int
			}{{spread, b.Sizes.Venues}, {hot, 1}} {
				mix := traffic.NewMix(b.Seed(), 0, b.Sizes.Crowd, of.venues, b.Sizes.Crowd)
				basin, err := b.fill(ctx, fmt.Sprintf("crowd_%d", of.venues), mix)
				if err != nil {
					return nil, err
				}
				cases = append(cases, basin.drain(of.name, 1))
			}
			return cases, nil
		},
		Rows: []report.Comparison{{Name: hot, Case: hot, Metric: "rate", Unit: "/s", Against: spread, AtLeast: 0.9, Dream: 1}},
	}
}

// hotRegistration has declined tries to pay all come from the same buyer, as when stolen cards are tried out.
func hotRegistration() Scenario {
	const hot, spread = "tries of one registration", "a try of each registration"
	return Scenario{
		Name: "hot registration", Growth: true,
		Open: func(ctx context.Context, b *Bench) ([]Case, error) {
			var cases []Case
			for _, of := range []struct {
				name string
				same bool
			}{{spread, false}, {hot, true}} {
				basin, err := b.fill(ctx, fmt.Sprintf("tries_%t", of.same), traffic.NewTries(b.Seed(), b.Sizes.Tries, b.Sizes.Venues, of.same))
				if err != nil {
					return nil, err
				}
				cases = append(cases, basin.drain(of.name, 1))
			}
			return cases, nil
		},
		Rows: []report.Comparison{{Name: hot, Case: hot, Metric: "rate", Unit: "/s", Against: spread, AtLeast: 0.4, Dream: 1}},
	}
}
