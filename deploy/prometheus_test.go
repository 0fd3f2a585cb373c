package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// prometheusProgram finds prometheus or promtool where .ci/need does.
func prometheusProgram(t *testing.T, name string) string {
	t.Helper()
	candidates := []string{filepath.Join(os.Getenv("PROMETHEUS_DIR"), name)}
	if cache, err := os.UserCacheDir(); err == nil {
		candidates = append(candidates, filepath.Join(cache, "guichet", "prometheus", name))
	}
	if found, err := exec.LookPath(name); err == nil {
		candidates = append(candidates, found)
	}
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && !info.IsDir() && filepath.IsAbs(path) {
			return path
		}
	}
	t.Fatalf("%s is not on this machine: .ci/need prometheus brings it, and says what else helps", name)
	return ""
}

// promtool runs it, and wants success.
func promtool(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), prometheusProgram(t, "promtool"), args...) // #nosec G204 -- our own arguments
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil || (len(stdin) > 0 && len(out) > 0) { // metrics are checked in silence
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// monitor is a Prometheus that runs.
type monitor struct {
	t   *testing.T
	url string
}

// startPrometheus runs the shipped configuration against the targets of each job, with more changes to its files,
// each of which must have something to change. Whatever takes minutes or hours is changed to take seconds.
func startPrometheus(t *testing.T, targets map[string]string, changes map[string]map[string]string) *monitor {
	t.Helper()
	dir := t.TempDir()
	all := map[string]map[string]string{"prometheus.yml": {
		"scrape_interval: 15s": "scrape_interval: 1s", "evaluation_interval: 15s": "evaluation_interval: 500ms", "nats-exporter:7777": "127.0.0.1:1",
	}, "rules.yml": {}}
	for job, port := range map[string]string{"ingester": "9090", "worker": "9091"} {
		found := fmt.Sprintf("dns_sd_configs:\n      - names: [%s]\n        type: A\n        port: %s\n", job, port)
		all["prometheus.yml"][found] = fmt.Sprintf("static_configs:\n      - targets: [%q]\n", targets[job])
	}
	for file, more := range changes {
		for from, to := range more {
			all[file][from] = to
		}
	}
	for file, changes := range all {
		text := read(t, filepath.Join("prometheus", file)) + "\n"
		for from, to := range changes {
			if !strings.Contains(text, from) {
				t.Fatalf("%s does not say %q", file, from)
			}
			text = strings.ReplaceAll(text, from, to)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log lockedBuffer
	// #nosec G204 -- our own arguments
	cmd := exec.Command(prometheusProgram(t, "prometheus"), "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus printed:\n%s", log.String())
		}
	})
	listening := regexp.MustCompile(`Listening on" address=(127\.0\.0\.1:[1-9]\d*)`)
	p := &monitor{t: t}
	eventually(t, "Prometheus listens", func() error {
		found := listening.FindStringSubmatch(log.String())
		if found == nil {
			return fmt.Errorf("not yet")
		}
		p.url = "http://" + found[1]
		return nil
	})
	return p
}

// sample is one of a query's result.
type sample struct {
	Metric map[string]string
}

// query returns what an expression gives now.
func (p *monitor) query(expr string) ([]sample, error) {
	var data struct{ Result []sample }
	err := p.get("/api/v1/query?query="+url.QueryEscape(expr), &data)
	return data.Result, err
}

// firing are the alerts that fire, by name.
func (p *monitor) firing() (map[string]bool, error) {
	var data struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	err := p.get("/api/v1/alerts", &data)
	out := map[string]bool{}
	for _, a := range data.Alerts {
		out[a.Labels["alertname"]] = out[a.Labels["alertname"]] || a.State == "firing"
	}
	return out, err
}

// rule is an alert as Prometheus has read it.
type rule struct {
	Name, Query         string
	Labels, Annotations map[string]string
	LastError           string
}

func (p *monitor) rules() []rule {
	p.t.Helper()
	var data struct{ Groups []struct{ Rules []rule } }
	if err := p.get("/api/v1/rules", &data); err != nil {
		p.t.Fatal(err)
	}
	var out []rule
	for _, g := range data.Groups {
		out = append(out, g.Rules...)
	}
	return out
}

func (p *monitor) get(path string, data any) error {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return nil
}

// scraped waits until Prometheus has reached both services, some times.
func (p *monitor) scraped() {
	p.t.Helper()
	eventually(p.t, "Prometheus scrapes the services", func() error {
		for _, job := range []string{"ingester", "worker"} {
			found, err := p.query(fmt.Sprintf(`sum_over_time(up{job=%q}[1m]) >= 3`, job))
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return fmt.Errorf("%s was not scraped three times", job)
			}
		}
		return nil
	})
}

// lockedBuffer keeps what a program prints while a test reads it.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// fetch returns a page of an admin port.
func fetch(t *testing.T, url string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, res.StatusCode, err)
	}
	return body.Bytes()
}
