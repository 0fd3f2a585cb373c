package scenario

import (
	"context"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/traffic"
)

// settled is after how long without work a program's memory is called idle.
const settled = time.Second

// startUp is the time from a program's start until it is ready, its dependencies being there, and what it then holds.
func startUp() Scenario {
	start := func(name string) report.Comparison {
		return report.Comparison{Name: name + ", start to ready", Case: name, Metric: "ready ms", Unit: "ms", Less: true, Mark: 300, AtLeast: 1, Dream: 3}
	}
	idle := func(name string, mark, dream float64) report.Comparison {
		return report.Comparison{Name: name + ", idle memory", Case: name, Metric: "idle MiB", Unit: "MiB", Less: true, Mark: mark, AtLeast: 1, Dream: mark / dream}
	}
	return Scenario{
		Name: "start and idle",
		Open: func(ctx context.Context, b *Bench) ([]Case, error) {
			postgres, err := b.Place.Postgres(ctx)
			if err != nil {
				return nil, err
			}
			if err := postgres.Migrated(ctx, work, nil); err != nil {
				return nil, err
			}
			nats, err := b.Place.StartNATS(ctx, false)
			if err != nil {
				return nil, err
			}
			services := place.Env{
				"NATS_URL": nats.URL, "DATABASE_URL": postgres.URL(work), "LISTEN_ADDR": "127.0.0.1:0", "STRIPE_WEBHOOK_SECRET": traffic.Secret,
			}
			return []Case{
				{Name: "ingester", Measure: func(ctx context.Context) (report.Sample, error) { return b.start(ctx, "ingester", services) }},
				{Name: "worker", Measure: func(ctx context.Context) (report.Sample, error) { return b.start(ctx, "worker", services) }},
				{Name: "guichet", Measure: b.version},
			}, nil
		},
		Rows: []report.Comparison{start("ingester"), start("worker"), start("guichet"), idle("ingester", 60, 40), idle("worker", 80, 50)},
	}
}

func (b *Bench) start(ctx context.Context, name string, services place.Env) (report.Sample, error) {
	admin, err := place.FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	env := place.Env{"ADMIN_ADDR": admin}
	for k, v := range services {
		env[k] = v
	}
	started := time.Now()
	program, err := b.Place.Service(name, env, nil)
	if err != nil {
		return nil, err
	}
	if err := program.Await(ctx, place.Healthy(admin)); err != nil {
		return nil, err
	}
	ready := time.Since(started)
	select {
	case <-time.After(settled):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now, _, err := program.Memory()
	if err != nil {
		return nil, err
	}
	return report.Sample{"ready ms": milliseconds(ready), "idle MiB": float64(now) / (1 << 20)}, program.Stop()
}

// version is the tool's least command: what its start costs.
func (b *Bench) version(ctx context.Context) (report.Sample, error) {
	started := time.Now()
	program, err := b.Place.Command(nil, "--version")
	if err != nil {
		return nil, err
	}
	if err := program.Wait(ctx); err != nil {
		return nil, err
	}
	return report.Sample{"ready ms": milliseconds(time.Since(started))}, nil
}
