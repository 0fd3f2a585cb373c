package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/place"
)

// Report is everything of one run of the program.
type Report struct {
	Machine      place.Machine `json:"machine"`
	Started      string        `json:"started"`
	Took         string        `json:"took"`
	Scenarios    []Scenario    `json:"scenarios"`
	Rows         []Row         `json:"rows"`
	Measurements []Measurement `json:"measurements"`
}

// Scenario says how the rows of one were measured.
type Scenario struct {
	Name string `json:"name"`
	Took string `json:"took"`
	// Others is the share of the machine, from 0 to 1, that other programs had meanwhile.
	Others float64 `json:"others"`
}

// Add takes in a scenario's results, how long they took, and the share of the machine that others had meanwhile.
func (r *Report) Add(results *Results, comparisons []Comparison, took time.Duration, others float64) {
	r.Scenarios = append(r.Scenarios, Scenario{results.scenario, took.String(), others})
	r.Measurements = append(r.Measurements, results.Measurements()...)
	for _, c := range comparisons {
		if row := results.Compare(c); row.Runs > 0 && row.BaselineMedian > 0 {
			r.Rows = append(r.Rows, row)
		}
	}
}

// WriteJSON writes the report to a file.
func (r *Report) WriteJSON(path string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o600)
}

// Print writes the table for people.
func (r *Report) Print(w io.Writer) error {
	m := r.Machine
	_, _ = fmt.Fprintf(w, "%s, %d CPUs, %d MiB, Linux %s, %s", m.Processor, m.CPUs, m.MemoryMiB, m.Kernel, m.Go)
	if m.Postgres != "" {
		_, _ = fmt.Fprintf(w, ", PostgreSQL %s", m.Postgres)
	}
	_, _ = fmt.Fprintf(w, "\na synced write of 4 kB takes %.0f µs; before, a processor went at less than half its speed %.0f %% of the time\n"+
		"load average before %s, after %s\n%s, took %s\n",
		m.SyncMicro, 100*m.SlowShare, m.Load, m.LoadAfter, r.Started, r.Took)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range r.Scenarios {
		_, _ = fmt.Fprintf(t, "\n%s\tmedian\tof\tleast … most\tbaseline\tits median\tratio\tat least\tdream\n", strings.ToUpper(s.Name))
		for _, row := range r.Rows {
			if row.Scenario == s.Name {
				row.print(t)
			}
		}
		_, _ = fmt.Fprintf(t, "(%s; other programs had %.0f %% of the machine)\n", s.Took, 100*s.Others)
	}
	return t.Flush()
}

func (row Row) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%s\t%s %s\t%d\t%s … %s\t%s\t%s\t%s\t%s\t%s\n", row.Name, number(row.Median), row.Unit, row.Runs,
		number(row.Min), number(row.Max), row.Baseline, number(row.BaselineMedian), row.verdict(), mark(row.AtLeast), mark(row.Dream))
}

// verdict is the ratio, and whether it reaches what it should.
func (row Row) verdict() string {
	text := strconv.FormatFloat(row.Ratio, 'f', 2, 64)
	switch {
	case row.AtLeast == 0:
		return text
	case row.Ratio < row.AtLeast:
		return text + " MISSED"
	}
	return text + " ok"
}

func mark(v float64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// number keeps three figures or more, and groups thousands.
func number(v float64) string {
	switch {
	case v >= 1000:
		digits := strconv.FormatFloat(v, 'f', 0, 64)
		for at := len(digits) - 3; at > 0; at -= 3 {
			digits = digits[:at] + "," + digits[at:]
		}
		return digits
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
