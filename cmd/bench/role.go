package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/educareschool/guichet/cmd/bench/internal/baseline"
	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/processmetrics"
	"github.com/educareschool/guichet/pkg/service"
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
		"ingester":            shipped(ingest.Program(processmetrics.NewRegistry())),
		"worker":              shipped(worker.Program(processmetrics.NewRegistry())),
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

// shipped is a program as it is shipped, within a process that can profile itself.
func shipped(p service.Program) func(context.Context) error {
	return func(context.Context) error { // it makes its own of the signals
		if code := p.Main(nil, os.Stdout, os.Stderr); code != service.ExitOK { //nolint:contextcheck // as above
			return fmt.Errorf("%s ended with exit code %d", p.Name, code)
		}
		return nil
	}
}
