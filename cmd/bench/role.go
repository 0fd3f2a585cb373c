package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/cmd/bench/internal/baseline"
	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/processmetrics"
	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/worker"
)

// play makes this process one of the programs that a benchmark runs, until ctx ends.
func play(ctx context.Context, name string) (err error) {
	roles := map[string]func(context.Context) error{
		place.NATSRole:        place.RunNATS,
		baseline.BareRole:     baseline.RunBare,
		baseline.SinglesRole:  baseline.RunSingles,
		baseline.InlineRole:   baseline.RunInline,
		baseline.OneByOneRole: baseline.RunOneByOne,
		"ingester":            runIngester,
		"worker":              runWorker,
	}
	run, known := roles[name]
	if !known {
		return fmt.Errorf("there is no role %q", name)
	}
	path := os.Getenv(place.ProfileVariable)
	if path == "" {
		return run(ctx)
	}
	file, err := os.Create(path) // #nosec G304 G703 -- named by ourselves
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = run(ctx)
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

// runIngester is cmd/ingester within a process that can profile itself.
func runIngester(context.Context) error {
	var s ingest.Settings
	return ended(service.Program{ //nolint:contextcheck // it makes its own of the signals, as the shipped program does
		Name: "ingester", Settings: &s, Logging: func() settings.Logging { return s.Logging },
		Run: func(ctx context.Context, log *zap.Logger) error {
			return ingest.Run(ctx, ingest.Options{Settings: s, Log: log, Registry: processmetrics.NewRegistry()})
		},
	})
}

// runWorker is cmd/worker within a process that can profile itself.
func runWorker(context.Context) error {
	var s worker.Settings
	return ended(service.Program{ //nolint:contextcheck // it makes its own of the signals, as the shipped program does
		Name: "worker", Settings: &s, Logging: func() settings.Logging { return s.Logging },
		Run: func(ctx context.Context, log *zap.Logger) error {
			return worker.Run(ctx, worker.Options{Settings: s, Log: log, Metrics: processmetrics.NewRegistry()})
		},
	})
}

func ended(p service.Program) error {
	if code := p.Main(nil, os.Stdout, os.Stderr); code != service.ExitOK {
		return fmt.Errorf("%s ended with exit code %d", p.Name, code)
	}
	return nil
}
