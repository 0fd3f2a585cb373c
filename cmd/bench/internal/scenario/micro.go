package scenario

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/educareschool/guichet/cmd/bench/internal/report"
)

// microPackages have Go benchmarks of what each event costs.
func microPackages() []string {
	const module = "github.com/educareschool/guichet/"
	return []string{module + "ingest", module + "pkg/stripeevent", module + "pkg/registration"}
}

// microRow compares two Go benchmarks by time and by allocations.
func microRow(name, benchmark, against string) []report.Comparison {
	return []report.Comparison{
		{Name: name, Case: benchmark, Metric: "ns/op", Unit: "ns", Less: true, Against: against},
		{Name: name + ", allocations", Case: benchmark, Metric: "allocs/op", Unit: "", Less: true, Against: against},
	}
}

// micro has the Go benchmarks of the steps of an event.
func micro() Scenario {
	var rows []report.Comparison
	for _, r := range [][3]string{
		{"verify and read the envelope", "ReadEvent", "HMAC"},
		{"decode", "Decode", "DecodeWithSDK"},
		{"settle a registration of five facts", "Settle", "Decode"},
	} {
		rows = append(rows, microRow(r[0], r[1], r[2])...)
	}
	return Scenario{Name: "steps of an event", Rows: rows, Open: func(ctx context.Context, b *Bench) ([]Case, error) {
		names := map[string]bool{}
		for _, r := range rows {
			names[r.Case], names[r.Against] = true, true
		}
		results := map[string][]report.Sample{}
		if err := b.goBenchmarks(ctx, results); err != nil {
			return nil, err
		}
		var cases []Case
		for name := range names {
			if len(results[name]) == 0 {
				return nil, fmt.Errorf("there is no benchmark %s", name)
			}
			cases = append(cases, Case{Name: name, Measure: func(context.Context) (report.Sample, error) {
				next := results[name][0]
				results[name] = append(results[name][1:], next)
				return next, nil
			}})
		}
		return cases, nil
	}}
}

// goBenchmarks runs them as often as there are runs, and keeps what go test prints, as benchstat reads it.
func (b *Bench) goBenchmarks(ctx context.Context, into map[string][]report.Sample) error {
	args := []string{"test", "-run", "^$", "-bench", "^Benchmark(ReadEvent|HMAC|Decode|DecodeWithSDK|Settle)$", "-benchmem", "-benchtime", b.Sizes.MicroTime, "-count", strconv.Itoa(b.Runs)}
	cmd := exec.CommandContext(ctx, "go", append(args, microPackages()...)...) // #nosec G204 -- our own packages
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go test: %w\n%s", err, out)
	}
	if b.BenchText != "" {
		if err := os.WriteFile(b.BenchText, out, 0o600); err != nil {
			return err
		}
	}
	return parseBenchmarks(out, into)
}

// parseBenchmarks reads lines such as "BenchmarkDecode-2  50000  4012 ns/op  1200 B/op  14 allocs/op".
func parseBenchmarks(out []byte, into map[string][]report.Sample) error {
	form := regexp.MustCompile(`^Benchmark([A-Za-z0-9]+)(?:-\d+)?\s+\d+\s+(.*)$`)
	scanner := bufio.NewScanner(bytes.NewReader(out))
	for scanner.Scan() {
		found := form.FindStringSubmatch(scanner.Text())
		if found == nil {
			continue
		}
		sample := report.Sample{}
		fields := strings.Fields(found[2])
		for i := 0; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("%q: %w", scanner.Text(), err)
			}
			sample[fields[i+1]] = value
		}
		into[found[1]] = append(into[found[1]], sample)
	}
	return scanner.Err()
}
