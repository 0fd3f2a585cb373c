package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/educareschool/guichet/cmd/bench/internal/place"
	"github.com/educareschool/guichet/cmd/bench/internal/report"
	"github.com/educareschool/guichet/cmd/bench/internal/scenario"
)

// TestMain lets the test's own binary play the programs that a benchmark runs.
func TestMain(m *testing.M) {
	if os.Getenv(place.RoleVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestEveryRowIsMeasured(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	for _, name := range []string{"ingester", "worker", "guichet"} {
		out, err := exec.CommandContext(t.Context(), "go", "build", "-o", programs, "github.com/educareschool/guichet/cmd/"+name).CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	for _, growth := range []bool{false, true} {
		t.Run(fmt.Sprintf("growth %t", growth), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "bench.json")
			var table bytes.Buffer
			args := []string{"-tiny", "-runs", "1", "-programs", programs, "-json", file, "-logs", t.TempDir(), fmt.Sprintf("-growth=%t", growth)}
			if err := bench(t.Context(), args, &table); err != nil {
				t.Fatal(err)
			}
			rows := written(t, file)
			for _, s := range scenario.All() {
				if s.Growth != growth {
					continue
				}
				for _, c := range s.Rows {
					if !rows[s.Name+": "+c.Name] || !strings.Contains(table.String(), c.Name) {
						t.Errorf("%s has no row %q", s.Name, c.Name)
					}
				}
			}
		})
	}
}

// written returns which rows a report has, and fails for one that lacks a figure.
func written(t *testing.T, file string) map[string]bool {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	if r.Machine.CPUs == 0 || r.Machine.SyncMicro == 0 || r.Machine.Load == "" || r.Machine.Postgres == "" {
		t.Errorf("the machine is %+v", r.Machine)
	}
	rows := map[string]bool{}
	for _, row := range r.Rows {
		rows[row.Scenario+": "+row.Name] = true
		if row.Runs != 1 || row.Median <= 0 || row.Min > row.Median || row.Max < row.Median || row.Baseline == "" || row.BaselineMedian <= 0 || row.Ratio <= 0 {
			t.Errorf("a row is %+v", row)
		}
	}
	return rows
}

func TestAWrongRoleOrFlagIsRefused(t *testing.T) {
	t.Parallel()
	if err := play(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
		t.Errorf("an unknown role gives %v", err)
	}
	if err := bench(t.Context(), []string{"-rows", "("}, os.Stderr); err == nil || !strings.Contains(err.Error(), "-rows") {
		t.Errorf("a wrong expression gives %v", err)
	}
}
