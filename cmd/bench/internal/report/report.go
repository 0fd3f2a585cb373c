// Package report keeps what was measured, compares it with its baselines and prints it.
package report

import (
	"cmp"
	"maps"
	"slices"
)

// Sample is what one run of a case measured, by metric.
type Sample map[string]float64

// Measurement is all runs of one metric of a case.
type Measurement struct {
	Scenario string    `json:"scenario"`
	Case     string    `json:"case"`
	Metric   string    `json:"metric"`
	Median   float64   `json:"median"`
	Runs     []float64 `json:"runs"`
}

// Comparison says what a row shows: a metric of a case, and with what it is compared.
type Comparison struct {
	Name   string // of the row
	Case   string
	Metric string
	Unit   string
	// Less says that less of it is better.
	Less bool
	// Against names the case whose same metric is the baseline; Base, if set, another metric of it.
	Against, Base string
	// Mark, where there is no such case, is a fixed figure to reach.
	Mark float64
	// AtLeast and Dream are what the ratio should reach; 0 for none.
	AtLeast, Dream float64
}

// Row is a comparison's outcome. A ratio above one is better than the baseline, whatever the metric's direction.
type Row struct {
	Scenario       string  `json:"scenario"`
	Name           string  `json:"name"`
	Unit           string  `json:"unit"`
	Runs           int     `json:"runs"`
	Median         float64 `json:"median"`
	Min            float64 `json:"min"`
	Max            float64 `json:"max"`
	Baseline       string  `json:"baseline"`
	BaselineMedian float64 `json:"baseline_median"`
	Ratio          float64 `json:"ratio"`
	AtLeast        float64 `json:"at_least,omitempty"`
	Dream          float64 `json:"dream,omitempty"`
}

// Results are the samples of one scenario, by case.
type Results struct {
	scenario string
	cases    map[string][]Sample
}

// NewResults are of a scenario.
func NewResults(scenario string) *Results {
	return &Results{scenario: scenario, cases: map[string][]Sample{}}
}

// Add keeps a run of a case.
func (r *Results) Add(name string, s Sample) { r.cases[name] = append(r.cases[name], s) }

// Measurements lists everything that was measured.
func (r *Results) Measurements() []Measurement {
	var out []Measurement
	for _, name := range slices.Sorted(maps.Keys(r.cases)) {
		metrics := map[string]bool{}
		for _, s := range r.cases[name] {
			for metric := range s {
				metrics[metric] = true
			}
		}
		for _, metric := range slices.Sorted(maps.Keys(metrics)) {
			runs := r.runs(name, metric)
			out = append(out, Measurement{r.scenario, name, metric, median(runs), runs})
		}
	}
	return out
}

// Compare makes the row of a comparison.
func (r *Results) Compare(c Comparison) Row {
	runs := r.runs(c.Case, c.Metric)
	row := Row{
		Scenario: r.scenario, Name: c.Name, Unit: c.Unit, Runs: len(runs), Median: median(runs),
		Baseline: c.Against, AtLeast: c.AtLeast, Dream: c.Dream,
	}
	if len(runs) > 0 {
		row.Min, row.Max = slices.Min(runs), slices.Max(runs)
	}
	base := r.runs(c.Against, cmp.Or(c.Base, c.Metric))
	if c.Against == "" {
		row.Baseline = "the mark"
		base = slices.Repeat([]float64{c.Mark}, len(runs))
	}
	row.BaselineMedian = median(base)
	row.Ratio = ratio(runs, base, c.Less)
	return row
}

func (r *Results) runs(name, metric string) []float64 {
	var out []float64
	for _, s := range r.cases[name] {
		if v, measured := s[metric]; measured {
			out = append(out, v)
		}
	}
	return out
}

// ratio is the median of the ratios of each run to the baseline's run beside it, which what else the machine
// did meanwhile has met alike. Where the baseline ran less often its median stands for it.
func ratio(runs, base []float64, less bool) float64 {
	var all []float64
	for i, v := range runs {
		b := median(base)
		if len(base) == len(runs) {
			b = base[i]
		}
		if less {
			v, b = b, v
		}
		if b > 0 {
			all = append(all, v/b)
		}
	}
	return median(all)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
