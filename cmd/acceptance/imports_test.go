package acceptance

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/educareschool/guichet/"

// dependencies lists what a package links, itself left out.
func dependencies(t *testing.T, pattern string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", pattern).Output() // #nosec G204 -- our own packages
	if err != nil {
		t.Fatalf("go list %s: %v", pattern, err)
	}
	return strings.Fields(string(out))
}

func TestImportsStayWithinTheRules(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]struct {
		of        string
		forbidden []string
	}{
		"the ingester links no SQL and no worker": {"ingest", []string{
			"database/sql", "github.com/jmoiron/sqlx", "github.com/lib/pq", module + "pkg/store", module + "worker",
		}},
		"the ingester's binary links no SQL":    {"cmd/ingester", []string{"github.com/jmoiron/sqlx", "github.com/lib/pq", module + "worker"}},
		"the worker does not meet the ingester": {"worker", []string{module + "ingest"}},
		"packages import neither service":       {"pkg/...", []string{module + "ingest", module + "worker"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, dependency := range dependencies(t, module+rule.of) {
				for _, f := range rule.forbidden {
					if dependency == f {
						t.Errorf("%s links %s", rule.of, f)
					}
				}
			}
		})
	}
}

func TestThePureCoreImportsOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, dependency := range dependencies(t, module+"pkg/registration") {
		if host, _, _ := strings.Cut(dependency, "/"); strings.Contains(host, ".") && dependency != module+"pkg/registration" {
			t.Errorf("pkg/registration links %s", dependency)
		}
	}
}
