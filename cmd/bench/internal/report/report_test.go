package report

import (
	"strings"
	"testing"
	"time"
)

func results() *Results {
	r := NewResults("drain")
	for i, rate := range []float64{100, 400, 200} {
		r.Add("ours", Sample{"rate": rate, "ms": 10 / rate})
		r.Add("plain", Sample{"rate": []float64{10, 50, 10}[i], "ms": 1})
	}
	return r
}

func TestARowComparesRunByRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		comparison Comparison
		want       Row
	}{
		{
			"more is better", Comparison{Case: "ours", Metric: "rate", Against: "plain"},
			Row{Median: 200, Min: 100, Max: 400, Baseline: "plain", BaselineMedian: 10, Ratio: 10},
		},
		{
			"less is better", Comparison{Case: "ours", Metric: "ms", Less: true, Against: "plain"},
			Row{Median: 0.05, Min: 0.025, Max: 0.1, Baseline: "plain", BaselineMedian: 1, Ratio: 20},
		},
		{
			"against a mark", Comparison{Case: "ours", Metric: "rate", Mark: 100},
			Row{Median: 200, Min: 100, Max: 400, Baseline: "the mark", BaselineMedian: 100, Ratio: 2},
		},
		{
			"against another metric", Comparison{Case: "ours", Metric: "rate", Against: "plain", Base: "ms"},
			Row{Median: 200, Min: 100, Max: 400, Baseline: "plain", BaselineMedian: 1, Ratio: 200},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.want.Scenario, c.want.Runs = "drain", 3
			if got := results().Compare(c.comparison); got != c.want {
				t.Errorf("got %+v\nwanted %+v", got, c.want)
			}
		})
	}
}

func TestABaselineThatRanOnceStandsForAll(t *testing.T) {
	t.Parallel()
	r := results()
	r.Add("once", Sample{"rate": 50})
	if got := r.Compare(Comparison{Case: "ours", Metric: "rate", Against: "once"}); got.Ratio != 4 {
		t.Errorf("the ratio is %v", got.Ratio)
	}
}

func TestTheTableSaysWhatIsMissed(t *testing.T) {
	t.Parallel()
	var r Report
	r.Add(results(), []Comparison{
		{Name: "reached", Case: "ours", Metric: "rate", Unit: "/s", Against: "plain", AtLeast: 10, Dream: 12},
		{Name: "not reached", Case: "ours", Metric: "rate", Unit: "/s", Mark: 1_000_000, AtLeast: 1},
	}, time.Minute, 0.25)
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"DRAIN", "10.00 ok", "12.00", "1,000,000", "0.00 MISSED", "1m0s; other programs had 25 %"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, out.String())
		}
	}
	if len(r.Measurements) != 4 {
		t.Errorf("it keeps %+v", r.Measurements)
	}
}
