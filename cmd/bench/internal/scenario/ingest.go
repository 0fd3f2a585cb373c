package scenario

import (
	"context"
	"fmt"
	"slices"

	"github.com/educareschool/guichet/cmd/bench/internal/baseline"
	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/traffic"
)

// endpoint is a handler of webhooks that runs, and the store behind it.
type endpoint struct {
	*place.Program
	address string
	nats    *place.NATS // nil for the bare handler
}

// markedBody is the size of an event that the marks are about.
const markedBody = 3000

// ingestScenarios are posts of each size to the ingester, synced and lazy, beside the bare handler and the plain way.
func ingestScenarios() []Scenario {
	var all []Scenario
	for _, size := range Usual().Bodies {
		s := Scenario{
			Name: fmt.Sprintf("ingest of %d kB", size/1000),
			Open: func(ctx context.Context, b *Bench) ([]Case, error) { return openIngest(ctx, b, size) },
		}
		for _, sync := range []string{"synced", "lazy"} {
			for _, n := range Usual().Connections {
				s.Rows = append(s.Rows, ingestRows(sync, n, size == markedBody)...)
			}
		}
		s.Rows = append(s.Rows, report.Comparison{
			Name: "ingester's memory at its most", Case: ingestCase("synced", 256), Metric: "peak MiB", Unit: "MiB", Less: true,
			Mark: 60, AtLeast: 1, Dream: 1.5,
		})
		all = append(all, s)
	}
	return all
}

func ingestCase(sync string, connections int) string {
	return fmt.Sprintf("ingester, %s, %d connections", sync, connections)
}
func singlesCase(sync string, connections int) string {
	return fmt.Sprintf("one publish a request, %s, %d connections", sync, connections)
}
func bareCase(connections int) string {
	return fmt.Sprintf("bare handler, %d connections", connections)
}

// ingestRows compare one number of connections with both baselines.
func ingestRows(sync string, n int, marked bool) []report.Comparison {
	type marks struct{ bare, bareDream, singles, singlesDream float64 }
	var m marks
	if marked {
		m = map[string]map[int]marks{
			"lazy":   {64: {0.45, 0.65, 0, 0}, 256: {0.50, 0.65, 0, 0}},
			"synced": {1: {singles: 0.9}, 16: {singles: 0.9}, 64: {singles: 1.8, singlesDream: 2.5}, 256: {0.28, 0.45, 3.5, 5}},
		}[sync][n]
	}
	row := report.Comparison{Name: fmt.Sprintf("%s, %d connections", sync, n), Case: ingestCase(sync, n), Metric: "rate", Unit: "/s"}
	bare, singles := row, row
	bare.Against, bare.AtLeast, bare.Dream = bareCase(n), m.bare, m.bareDream
	singles.Against, singles.AtLeast, singles.Dream = singlesCase(sync, n), m.singles, m.singlesDream
	return []report.Comparison{bare, singles}
}

func openIngest(ctx context.Context, b *Bench, size int) ([]Case, error) {
	bare, err := b.handler(ctx, baseline.BareRole, nil)
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, n := range b.Sizes.Connections {
		cases = append(cases, b.post(bareCase(n), bare, n, size, 0))
	}
	for _, sync := range []string{"synced", "lazy"} {
		nats, err := b.Place.StartNATS(ctx, sync == "lazy")
		if err != nil {
			return nil, err
		}
		singles, err := b.handler(ctx, baseline.SinglesRole, nats)
		if err != nil {
			return nil, err
		}
		ingester, err := b.ingester(ctx, nats)
		if err != nil {
			return nil, err
		}
		for _, n := range b.Sizes.Connections {
			cases = append(cases, b.post(singlesCase(sync, n), singles, n, size, 0), b.post(ingestCase(sync, n), ingester, n, size, 0))
		}
	}
	return cases, nil
}

// duplicates are posts some of which Stripe sends again.
func duplicates() Scenario {
	name := func(repeated int) string { return fmt.Sprintf("%d %% duplicates", repeated) }
	row := func(repeated int) report.Comparison {
		return report.Comparison{
			Name: name(repeated), Case: name(repeated), Metric: "rate", Unit: "/s", Against: name(0), AtLeast: 0.9, Dream: 1,
		}
	}
	return Scenario{
		Name: "duplicates, synced, 256 connections",
		Open: func(ctx context.Context, b *Bench) ([]Case, error) {
			nats, err := b.Place.StartNATS(ctx, false)
			if err != nil {
				return nil, err
			}
			ingester, err := b.ingester(ctx, nats)
			if err != nil {
				return nil, err
			}
			var cases []Case
			for _, repeated := range []int{0, 1, 10} {
				cases = append(cases, b.post(name(repeated), ingester, slices.Max(b.Sizes.Connections), markedBody, repeated))
			}
			return cases, nil
		},
		Rows: []report.Comparison{row(1), row(10)},
	}
}

// handler starts a baseline's handler.
func (b *Bench) handler(ctx context.Context, role string, nats *place.NATS) (*endpoint, error) {
	address, err := place.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	env := place.Env{baseline.ListenVariable: address, baseline.SecretVariable: traffic.Secret}
	if nats != nil {
		env[baseline.NATSVariable] = nats.URL
	}
	program, err := b.Place.Role(role, env, nil)
	if err != nil {
		return nil, err
	}
	return &endpoint{program, address, nats}, program.Await(ctx, listening(address))
}

// ingester starts the one that is shipped, with its defaults.
func (b *Bench) ingester(ctx context.Context, nats *place.NATS) (*endpoint, error) {
	address, err := place.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := place.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	program, err := b.Place.Service("ingester", place.Env{
		"LISTEN_ADDR": address, "ADMIN_ADDR": admin, "STRIPE_WEBHOOK_SECRET": traffic.Secret, "NATS_URL": nats.URL,
	}, nil)
	if err != nil {
		return nil, err
	}
	return &endpoint{program, address, nats}, program.Await(ctx, place.Healthy(admin))
}

// post is a case of posting events to a handler for a while.
func (b *Bench) post(name string, to *endpoint, connections, size, repeated int) Case {
	return Case{Name: name, Measure: func(ctx context.Context) (report.Sample, error) {
		if to.nats != nil {
			if err := to.nats.Fresh(ctx); err != nil {
				return nil, err
			}
		}
		const fastest = 60_000 // requests a second that no machine of this kind reaches
		window := b.Sizes.Window
		if size != markedBody {
			window /= 3
		}
		n := max(int(fastest*window.Seconds()), 100)
		requests := traffic.NewRequests(traffic.NewSame(b.Seed(), n, size, repeated))
		meters := []meter{self(), {"handler", to.CPU}}
		if to.nats != nil {
			meters = append(meters, meter{"nats-server", to.nats.CPU})
		}
		sample, err := metered(meters, func() (report.Sample, int, error) {
			posted, err := traffic.Post(ctx, to.address, requests, connections, window)
			if err != nil {
				return nil, 0, err
			}
			return report.Sample{
				"rate": posted.Rate(), "p50 ms": milliseconds(posted.Quantile(0.5)), "p99 ms": milliseconds(posted.Quantile(0.99)),
			}, posted.Requests, nil
		})
		if err != nil {
			return nil, err
		}
		_, peak, err := to.Memory()
		sample["peak MiB"] = float64(peak) / (1 << 20)
		return sample, err
	}}
}
