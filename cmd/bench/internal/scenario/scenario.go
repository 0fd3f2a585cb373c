// Package scenario has the rows of the benchmark, a file for each kind.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
)

// Scenario is cases that are measured in turn, and what is compared of them.
type Scenario struct {
	Name string
	// Growth keeps it out of the usual run: it takes a great many rows, and long.
	Growth bool
	// Open starts what the cases need. What it started ends when they are measured.
	Open func(context.Context, *Bench) ([]Case, error)
	Rows []report.Comparison
}

// Case is one of the things that are measured in turn.
type Case struct {
	Name    string
	Measure func(context.Context) (report.Sample, error)
	// Once measures it in the first run only: it is too long for more.
	Once bool
}

// Bench is what scenarios share.
type Bench struct {
	Place    *place.Place
	Sizes    Sizes
	Runs     int
	Cases    *regexp.Regexp // which cases are measured
	Progress io.Writer
	// BenchText, where set, is the file that the output of the Go benchmarks goes to, for benchstat.
	BenchText string
	seed      uint64
}

// Sizes are how much is measured.
type Sizes struct {
	Window        time.Duration // of one measurement of requests of the marked size, a third of it of others
	Connections   []int
	Bodies        []int // bytes
	Events        int   // of a drain
	OneByOne      int   // of them for the baseline, which is slow
	Registrations int
	Venues        int
	Rates         []int // events a second whose latency is measured
	RateWindow    time.Duration
	Sustain       time.Duration
	Highest       int // events a second that no machine of this kind holds
	Deadlines     int
	Crowd         int // registrations of the one hot event
	Tries         int // of one hot registration
	Inbox         []int
	Backlog       int // messages in the stream before those that are drained
	MicroTime     string
}

// Usual are the sizes that the marks are about.
func Usual() Sizes {
	return Sizes{
		Window: 450 * time.Millisecond, Connections: []int{1, 16, 64, 256}, Bodies: []int{1000, 3000, 20_000},
		Events: 100_000, OneByOne: 2_000, Registrations: 20_000, Venues: 50,
		Rates: []int{100, 500, 1000, 2000}, RateWindow: time.Second, Sustain: 30 * time.Second, Highest: 9_000,
		Deadlines: 100_000, Crowd: 50_000, Tries: 10_000,
		Inbox: []int{0, 1_000_000, 10_000_000}, Backlog: 1_000_000, MicroTime: "0.2s",
	}
}

// Tiny are sizes that only show that every row can be measured.
func Tiny() Sizes {
	return Sizes{
		Window: 20 * time.Millisecond, Connections: []int{1, 16, 64, 256}, Bodies: []int{1000, 3000, 20_000},
		Events: 500, OneByOne: 50, Registrations: 100, Venues: 5,
		Rates: []int{100, 500, 1000, 2000}, RateWindow: 100 * time.Millisecond, Sustain: 200 * time.Millisecond, Highest: 400,
		Deadlines: 100, Crowd: 100, Tries: 50,
		Inbox: []int{0, 200, 400}, Backlog: 100, MicroTime: "1x",
	}
}

// All are the scenarios, in the order of the table.
func All() []Scenario {
	var all []Scenario
	all = append(all, ingestScenarios()...)
	all = append(all, duplicates(), drain(), endToEnd(), sustained(), cleanup(), hotEvent(), hotRegistration(), startUp(), micro(), growth())
	return all
}

// Run measures the scenarios whose names match and adds them to the report.
func (b *Bench) Run(ctx context.Context, pick *regexp.Regexp, growth bool, into *report.Report) error {
	for _, s := range All() {
		if s.Growth != growth || !pick.MatchString(s.Name) {
			continue
		}
		if err := b.measure(ctx, s, into); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", s.Name, err), b.Place.Clear())
		}
	}
	return nil
}

// measure runs all cases once, then again: what else the machine does meanwhile meets them alike.
func (b *Bench) measure(ctx context.Context, s Scenario, into *report.Report) error {
	started, before := time.Now(), b.Place.Busy()
	b.say("%s: getting ready", s.Name)
	cases, err := s.Open(ctx, b)
	if err != nil {
		return err
	}
	results := report.NewResults(s.Name)
	for run := range b.Runs {
		for _, c := range cases {
			if c.Once && run > 0 || !b.Cases.MatchString(c.Name) {
				continue
			}
			b.say("%s: run %d of %d, %s", s.Name, run+1, b.Runs, c.Name)
			sample, err := c.Measure(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
			results.Add(c.Name, sample)
		}
	}
	if err := b.Place.Clear(); err != nil {
		return err
	}
	took := time.Since(started).Round(time.Second)
	into.Add(results, s.Rows, took, b.Place.Busy().OthersSince(before, runtime.NumCPU()))
	b.say("%s: measured in %s\n", s.Name, took)
	return nil
}

// say replaces the line of progress.
func (b *Bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.Progress, "\r\033[K"+format, args...)
}

// Seed is another one at each call, the same ones in each run of the program.
func (b *Bench) Seed() uint64 {
	b.seed++
	return b.seed
}
