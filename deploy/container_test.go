package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/worker"
)

// container is what matters here of a program of ours, wherever it is deployed.
type container struct {
	program string // ingester, worker or guichet
	args    []string
	env     map[string]string
	secrets map[string]string // by the name that it has in /run/secrets: the name of the secret's source
	grace   time.Duration     // between SIGTERM and SIGKILL
	memory  int64             // its limit in bytes; 0 for none
}

// setupSettings are those of guichet setup.
type setupSettings struct {
	NATS     settings.NATS
	Database settings.Database
	Stream   stream.Config
}

// toolSettings are those of the tool's other commands: it looks at what the services stand on, and settles as they do.
type toolSettings struct {
	Ingester ingest.Settings
	Worker   worker.Settings
	Stream   stream.Config
	URL      string `env:"GUICHET_URL"`
}

func isSetup(c container) bool { return slices.Equal(c.args, []string{"setup"}) }

// settingsOf loads the settings of a container as its program will, from its environment and its secrets, whose
// contents are found by their source's name.
func settingsOf(t *testing.T, c container, content map[string]string) any {
	t.Helper()
	var into any
	switch c.program {
	case "ingester":
		into = &ingest.Settings{}
	case "worker":
		into = &worker.Settings{}
	case "guichet":
		into = &toolSettings{}
		if isSetup(c) {
			into = &setupSettings{}
		}
	default:
		t.Fatalf("%q is no program of ours", c.program)
	}
	known := append(variables(t, into), "GOMEMLIMIT") // which is the Go runtime's
	for name := range c.env {
		if !slices.Contains(known, name) {
			t.Errorf("%s has the variable %s, which it does not know", c.program, name)
		}
	}
	dir := t.TempDir()
	for name, source := range c.secrets {
		if !slices.Contains(known, strings.ToUpper(name)) {
			t.Errorf("%s has the secret %s, which it does not know", c.program, name)
		}
		text, there := content[source]
		if !there {
			t.Errorf("%s takes the secret %s from %s, which nobody makes", c.program, name, source)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := settings.Load(into, settings.Source{Env: c.env, SecretsDir: dir}); err != nil {
		t.Fatalf("%s: %v", c.program, err)
	}
	return into
}

// variables are the names of the variables of a settings struct, as its table has them.
func variables(t *testing.T, of any) []string {
	t.Helper()
	var table strings.Builder
	if err := settings.Usage(&table, of); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range regexp.MustCompile(`(?m)^  ([A-Z][A-Z0-9_]+) `).FindAllStringSubmatch(table.String(), -1) {
		names = append(names, row[1])
	}
	return names
}

// secretContents are those of the files that the shipped script writes, by file name.
func secretContents(t *testing.T) map[string]string {
	t.Helper()
	dir := secrets(t)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range files {
		out[f.Name()] = read(t, filepath.Join(dir, f.Name()))
	}
	return out
}

// checkContainer holds what every deployment owes a container of ours, and returns its settings.
func checkContainer(t *testing.T, c container, content map[string]string) any {
	t.Helper()
	for name, value := range c.env {
		if strings.Contains(value, "@") && strings.Contains(value, "://") || strings.Contains(name, "SECRET") || strings.Contains(name, "PASSWORD") {
			t.Errorf("%s has %s in its environment, where a secret would be seen", c.program, name)
		}
	}
	checkMemory(t, c)
	loaded := settingsOf(t, c, content)
	switch s := loaded.(type) {
	case *ingest.Settings:
		checkGrace(t, c, s.DrainDelay+s.ShutdownGrace)
		if s.WebhookSecret == "" || !strings.Contains(s.NATS.URL, "ingester:") {
			t.Errorf("the ingester has the settings %+v", *s)
		}
		checkAdmin(t, c, s.AdminAddr)
	case *worker.Settings:
		checkGrace(t, c, s.ShutdownGrace)
		if !s.Mail.Enabled() || s.Mail.Admin == "" || !strings.Contains(s.NATS.URL, "worker:") || !strings.Contains(s.Database.URL, "guichet_worker:") {
			t.Errorf("the worker's mails, NATS user or database role are not as they should be; variables %q", slices.Sorted(maps.Keys(c.env)))
		}
		checkAdmin(t, c, s.AdminAddr)
	case *toolSettings:
		if !strings.Contains(s.Worker.NATS.URL, "operator:") || !strings.Contains(s.Worker.Database.URL, "guichet_worker:") {
			t.Error("the tool has not the rights that it needs")
		}
		if s.URL == "" || s.Ingester.WebhookSecret == "" || !s.Worker.Mail.Enabled() {
			t.Error("the tool cannot look at the endpoint, the secret or the mail server")
		}
	case *setupSettings:
		if !strings.Contains(s.NATS.URL, "setup:") || !strings.Contains(s.Database.URL, "guichet_owner:") {
			t.Error("setup has not the rights that it needs")
		}
	}
	return loaded
}

// checkGrace holds that a program is given longer to stop than it takes at the longest.
func checkGrace(t *testing.T, c container, shutdown time.Duration) {
	t.Helper()
	const afterwards = 5 * time.Second // closing what is left
	if c.grace < shutdown+afterwards {
		t.Errorf("%s may take %s to stop, and is killed after %s", c.program, shutdown, c.grace)
	}
}

// checkAdmin holds that whoever scrapes and probes can reach the admin port from outside the container.
func checkAdmin(t *testing.T, c container, address string) {
	t.Helper()
	if want := map[string]string{"ingester": ":9090", "worker": ":9091"}[c.program]; address != want {
		t.Errorf("%s's admin port is at %s, want %s", c.program, address, want)
	}
}

// checkMemory holds that the Go runtime collects garbage before the container is killed for its memory.
func checkMemory(t *testing.T, c container) {
	t.Helper()
	set, there := c.env["GOMEMLIMIT"]
	if !there {
		return
	}
	mebibytes, err := strconv.ParseInt(strings.TrimSuffix(set, "MiB"), 10, 64)
	if err != nil {
		t.Fatalf("GOMEMLIMIT of %s: %v", c.program, err)
	}
	if share := float64(mebibytes<<20) / float64(c.memory); share > 0.95 || share < 0.8 {
		t.Errorf("%s's runtime minds %s, and it is killed at %d MiB", c.program, set, c.memory>>20)
	}
}
