package deploy

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// update has the test write the table instead of comparing it: make metrics.
var update = flag.Bool("update-metrics", false, "write the table of docs/metrics.md anew")

// open are the labels whose values nobody can list beforehand.
var open = []string{"version", "goversion", "event", "currency", "secret"}

// tell returns the families that programs tell, with the series of all of them.
func tell(t *testing.T, admins ...string) map[string]*dto.MetricFamily {
	t.Helper()
	out := map[string]*dto.MetricFamily{}
	for _, admin := range admins {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(fetch(t, "http://"+admin+"/metrics")))
		if err != nil {
			t.Fatal(err)
		}
		for name, family := range families {
			if before := out[name]; before != nil {
				family.Metric = append(family.Metric, before.Metric...)
			}
			out[name] = family
		}
	}
	return out
}

func TestMetrics_ArePrometheussCustom(t *testing.T) {
	t.Parallel()
	o := startObserved(t)
	o.live()
	for _, admin := range []string{o.ingester, o.worker} {
		promtool(t, fetch(t, "http://"+admin+"/metrics"), "check", "metrics")
	}
}

func TestMetrics_TheTableInTheDocsIsWhatTheServicesTell(t *testing.T) {
	t.Parallel()
	o := startObserved(t)
	o.live()
	var table strings.Builder
	for _, service := range []struct{ name, admin string }{{"The ingester", o.ingester}, {"The worker", o.worker}} {
		fmt.Fprintf(&table, "\n### %s\n\n| metric | type | labels | |\n|---|---|---|---|\n", service.name)
		families := tell(t, service.admin)
		for _, name := range slices.Sorted(maps.Keys(families)) {
			if family := families[name]; strings.HasPrefix(name, "guichet_") {
				fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(family.GetType().String()), labels(family), strings.ReplaceAll(family.GetHelp(), "|", "\\|"))
			}
		}
	}
	table.WriteString("\n")

	const path, begin, end = "../docs/metrics.md", "<!-- made by make metrics -->\n", "<!-- end -->\n"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(content), begin)
	have, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table", path)
	}
	if have == table.String() {
		return
	}
	if !*update {
		t.Fatalf("the table of docs/metrics.md is out of date: make metrics\n%s", table.String())
	}
	if err := os.WriteFile(path, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// labels lists a family's labels, with their values where these are a closed set.
func labels(family *dto.MetricFamily) string {
	values := map[string][]string{}
	var names []string
	for _, m := range family.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(names, l.GetName()) {
				names = append(names, l.GetName())
			}
			if v := "`" + l.GetValue() + "`"; !slices.Contains(values[l.GetName()], v) {
				values[l.GetName()] = append(values[l.GetName()], v)
			}
		}
	}
	var out []string
	for _, name := range names {
		if slices.Contains(open, name) {
			out = append(out, "**"+name+"**")
			continue
		}
		slices.Sort(values[name])
		out = append(out, "**"+name+"**: "+strings.Join(values[name], " "))
	}
	return strings.Join(out, "; ")
}
