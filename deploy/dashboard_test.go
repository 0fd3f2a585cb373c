package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// panel is what matters of a panel of Grafana's.
type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct {
		Expr       string
		RefID      string
		Datasource struct{ UID string }
	}
}

type dashboard struct {
	UID         string
	Panels      []panel
	Annotations struct{ List []struct{ Expr string } }
}

func loadDashboard(t *testing.T) dashboard {
	t.Helper()
	content, err := os.ReadFile("grafana/dashboards/guichet.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(content, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDashboard_ItsPanelsDoNotOverlapAndAskTheProvisionedPrometheus(t *testing.T) {
	t.Parallel()
	d := loadDashboard(t)
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if p.Title == "" || ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %d, %q: %+v", p.ID, p.Title, p.GridPos)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			if uid := target.Datasource.UID; !strings.Contains(read(t, "grafana/provisioning/datasources/prometheus.yml"), "uid: "+uid+" ") {
				t.Errorf("%q asks %q", p.Title, uid)
			}
		}
	}
	// Compose mounts the dashboards where their provider looks for them.
	if path := "/etc/grafana/dashboards"; !strings.Contains(read(t, "grafana/provisioning/dashboards/guichet.yml"), "path: "+path) ||
		!strings.Contains(read(t, "../docker-compose.yml"), "./deploy/grafana/dashboards:"+path+":ro") {
		t.Errorf("the dashboards are not mounted at %s", path)
	}
}

// expressions are all that the dashboard and the rules ask of Prometheus, by where they stand.
func expressions(t *testing.T, p *monitor) map[string]string {
	t.Helper()
	out := map[string]string{}
	d := loadDashboard(t)
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			out[fmt.Sprintf("panel %q, %s", panel.Title, target.RefID)] = strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")
		}
	}
	for i, a := range d.Annotations.List {
		out[fmt.Sprintf("annotation %d", i)] = a.Expr
	}
	for _, r := range p.rules() {
		out["alert "+r.Name] = r.Query
	}
	// What scales on a figure of Prometheus's, should anything ever.
	for _, name := range kubernetesQueries(t) {
		out["KEDA "+name] = name
	}
	return out
}

// kubernetesQueries are those of KEDA's prometheus triggers.
func kubernetesQueries(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	var out []string
	for _, file := range files {
		for _, found := range regexp.MustCompile(`(?m)^\s+query: ['"]?(.+?)['"]?$`).FindAllStringSubmatch(read(t, file), -1) {
			out = append(out, found[1])
		}
	}
	return out
}

// selectors finds what an expression reads: names of ours or of Prometheus's, each with its matchers.
func selectors(expr string) []string {
	return regexp.MustCompile(`\b(?:guichet_|process_|go_|up\b|ALERTS\b|jetstream_|gnatsd_)\w*(?:\{[^}]*\})?`).FindAllString(expr, -1)
}

func TestDashboard_EveryMetricThatItOrAnAlertReadsIsToldByARunningService(t *testing.T) {
	t.Parallel()
	o := startObserved(t)
	o.live()
	p := startPrometheus(t, map[string]string{"ingester": o.ingester, "worker": o.worker}, map[string]map[string]string{"prometheus.yml": {}})
	p.scraped()
	p.until("GuichetDeadLetter", "GuichetPaidWithoutSeat")
	read := map[string]bool{}
	for where, expr := range expressions(t, p) {
		if _, err := p.query(expr); err != nil {
			t.Errorf("%s: %v", where, err)
		}
		found := selectors(expr)
		if len(found) == 0 {
			t.Errorf("%s reads nothing: %s", where, expr)
		}
		for _, selector := range found {
			series, err := p.query("last_over_time(" + selector + "[5m])") // whatever became of the latest scrape
			if err != nil || len(series) == 0 {
				t.Errorf("%s reads %s, which is not there (%v)", where, selector, err)
			}
			name, _, _ := strings.Cut(selector, "{")
			read[name] = true
		}
	}
	for _, r := range p.rules() {
		if r.LastError != "" {
			t.Errorf("%s: %s", r.Name, r.LastError)
		}
	}
	// The other way round: nothing that Guichet tells goes unseen.
	seen := func(name string) bool {
		return slices.ContainsFunc([]string{"", "_bucket", "_sum", "_count"}, func(suffix string) bool { return read[name+suffix] })
	}
	for name := range tell(t, o.ingester, o.worker) {
		if strings.HasPrefix(name, "guichet_") && !seen(name) {
			t.Errorf("%s is told, and no panel and no alert reads it", name)
		}
	}
}
