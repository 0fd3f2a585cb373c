// Bench measures Guichet against what it is compared with, in one run on one machine; see docs/performance.md.
// It is built for that alone and not shipped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/scenario"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	work := bench
	if name := os.Getenv(place.RoleVariable); name != "" {
		work = func(ctx context.Context, _ []string, _ io.Writer) error { return play(ctx, name) }
	}
	if err := work(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// bench measures what its arguments say and prints the table, also of what came before a failure.
func bench(ctx context.Context, args []string, stdout io.Writer) (err error) {
	var o place.Options
	b := scenario.Bench{Sizes: scenario.Usual(), Progress: os.Stderr}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	rows := flags.String("rows", ".", "measure the scenarios whose names match this `regexp`")
	cases := flags.String("cases", ".", "of them, measure the cases whose names match this `regexp`; rows that lack one are left out")
	growth := flags.Bool("growth", false, "measure the scenarios that take a great many rows, and only those")
	tiny := flags.Bool("tiny", false, "measure next to nothing, to see that every row can be measured")
	window := flags.Duration("window", 0, "how long requests are posted in one measurement; 0 is the usual time")
	list := flags.Bool("list", false, "list the scenarios and their rows")
	jsonFile := flags.String("json", "", "write everything that was measured to this `file`")
	flags.IntVar(&b.Runs, "runs", 5, "how often each case is measured, in turn with the others")
	flags.StringVar(&b.BenchText, "benchmarks", "", "write the output of the Go benchmarks to this `file`, for benchstat")
	flags.StringVar(&o.Dir, "dir", "", "measure in a new folder below this one, which must be on a real disk; default TMPDIR")
	flags.StringVar(&o.Programs, "programs", "bin", "`folder` with the ingester, the worker and guichet")
	flags.StringVar(&o.Profiles, "profiles", "", "write the CPU profile of every program into this `folder`")
	flags.StringVar(&o.Logs, "logs", "", "write what every program prints into this `folder`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pick, err := regexp.Compile(*rows)
	if err != nil {
		return fmt.Errorf("-rows: %w", err)
	}
	if b.Cases, err = regexp.Compile(*cases); err != nil {
		return fmt.Errorf("-cases: %w", err)
	}
	if *tiny {
		b.Sizes = scenario.Tiny()
	}
	if *window > 0 {
		b.Sizes.Window, b.Sizes.RateWindow = *window, *window
	}
	if *list {
		return listScenarios(stdout)
	}
	if b.Place, err = place.New(o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Place.Close()) }()
	r, err := measure(ctx, &b, pick, *growth)
	if *jsonFile != "" {
		err = errors.Join(err, r.WriteJSON(*jsonFile))
	}
	return errors.Join(err, r.Print(stdout))
}

func measure(ctx context.Context, b *scenario.Bench, pick *regexp.Regexp, growth bool) (_ *report.Report, err error) {
	started := time.Now()
	r := &report.Report{Started: started.UTC().Format(time.RFC3339)}
	if r.Machine, err = b.Place.Describe(); err != nil {
		return r, err
	}
	err = b.Run(ctx, pick, growth, r)
	r.Machine.LoadAfter = place.Load()
	r.Took = time.Since(started).Round(time.Second).String()
	var unknown error
	r.Machine.Postgres, unknown = b.Place.PostgresVersion(ctx)
	return r, errors.Join(err, unknown)
}

func listScenarios(stdout io.Writer) error {
	for _, s := range scenario.All() {
		if _, err := fmt.Fprintln(stdout, s.Name); err != nil {
			return err
		}
		for _, row := range s.Rows {
			against := row.Against
			if against == "" {
				against = fmt.Sprintf("%g %s", row.Mark, row.Unit)
			}
			_, _ = fmt.Fprintf(stdout, "    %s, against %s\n", row.Name, against)
		}
	}
	return nil
}
