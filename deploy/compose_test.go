package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/stream"
)

// project is what we look at of docker-compose.yml as compose-go has read it.
type project struct {
	Services map[string]service
	Secrets  map[string]struct{ File string }
	Volumes  map[string]any
}

type service struct {
	Image       string
	Command     []string
	Build       *struct{ Target, Dockerfile string }
	Environment map[string]string
	Secrets     []struct{ Source, Target string }
	Volumes     []mount
	Ports       []struct {
		HostIP string `json:"host_ip"`
	}
	Profiles    []string
	Restart     string
	ReadOnly    bool     `json:"read_only"`
	CapDrop     []string `json:"cap_drop"`
	SecurityOpt []string `json:"security_opt"`
	Grace       string   `json:"stop_grace_period"`
	Scale       *int
	Healthcheck any
	DependsOn   map[string]struct {
		Condition string
		Required  bool
	} `json:"depends_on"`
	Networks map[string]*struct{ Aliases []string }
}

type mount struct {
	Type, Source, Target string
	ReadOnly             bool `json:"read_only"`
}

func compose(t *testing.T, args ...string) project {
	t.Helper()
	var p project
	manifests(t, &p, append([]string{"compose"}, args...)...)
	return p
}

// ours are the services whose programs are Guichet's.
func (p project) ours(t *testing.T) map[string]container {
	t.Helper()
	out := map[string]container{}
	for name, s := range p.Services {
		if s.Build == nil {
			continue
		}
		c := container{program: s.Build.Target, args: s.Command, env: s.Environment, secrets: map[string]string{}}
		for _, secret := range s.Secrets {
			c.secrets[strings.TrimPrefix(secret.Target, "/run/secrets/")] = secret.Source
		}
		grace, err := time.ParseDuration(s.Grace)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.grace = grace
		out[name] = c
	}
	return out
}

func TestCompose_EachServiceHasSettingsThatItsProgramTakes(t *testing.T) {
	t.Parallel()
	content := secretContents(t)
	content["stripe_api_key"] = "rk_test_1"
	for name, args := range map[string][]string{
		"as it is":            {"--profile", "*", "../docker-compose.yml"},
		"in production":       {"--profile", "*", "--set", "GUICHET_ENV=production", "../docker-compose.yml"},
		"with three nodes":    {"--env-file", "cluster.env", "../docker-compose.yml"},
		"with Stripe's API":   {"../docker-compose.yml", "stripe-api.yml"},
		"with another sender": {"--set", "MAIL_FROM=Billets <billets@example.org>", "--set", "ADMIN_EMAIL=a@example.org", "../docker-compose.yml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compose(t, args...)
			for secret := range p.Secrets {
				if _, there := content[secret]; !there {
					t.Errorf("nobody writes the secret %s", secret)
				}
			}
			ours := p.ours(t)
			for _, want := range []string{"setup", "ingester", "worker"} {
				if _, there := ours[want]; !there {
					t.Errorf("%s is missing", want)
				}
			}
			for _, c := range ours {
				checkContainer(t, c, content)
			}
		})
	}
}

func TestCompose_OurServicesCannotWriteNorGainRights(t *testing.T) {
	t.Parallel()
	for name, s := range compose(t, "--profile", "*", "../docker-compose.yml").Services {
		if s.Build == nil {
			continue
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: read-only %t, dropped %q, %q", name, s.ReadOnly, s.CapDrop, s.SecurityOpt)
		}
		if s.Build.Dockerfile != "deploy/Dockerfile" {
			t.Errorf("%s is built from %s", name, s.Build.Dockerfile)
		}
	}
}

func TestCompose_StartsInTheOrderOfHealth(t *testing.T) {
	t.Parallel()
	services := compose(t, "--profile", "*", "../docker-compose.yml").Services
	for name, want := range map[string]map[string]string{
		"setup":    {"nats": "service_healthy", "postgres": "service_healthy", "nats-2": "service_healthy", "nats-3": "service_healthy"},
		"ingester": {"setup": "service_completed_successfully"},
		"worker":   {"setup": "service_completed_successfully"},
	} {
		for on, condition := range want {
			if got := services[name].DependsOn[on].Condition; got != condition {
				t.Errorf("%s waits for %s to be %q, want %q", name, on, got, condition)
			}
			if condition == "service_healthy" && services[on].Healthcheck == nil {
				t.Errorf("%s has no health check", on)
			}
		}
	}
	for name := range services["setup"].DependsOn {
		if optional := strings.HasPrefix(name, "nats-"); services["setup"].DependsOn[name].Required == optional {
			t.Errorf("setup needs %s: %t", name, !optional)
		}
	}
}

func TestCompose_KeepsAllStateInVolumesAndPublishesOnLoopback(t *testing.T) {
	t.Parallel()
	p := compose(t, "--profile", "*", "../docker-compose.yml")
	for name, folder := range map[string]string{
		"nats": "/data", "nats-2": "/data", "nats-3": "/data", "postgres": "/var/lib/postgresql/data", "mailpit": "/data",
		"prometheus": "/prometheus", "grafana": "/var/lib/grafana",
	} {
		if !slices.ContainsFunc(p.Services[name].Volumes, func(v mount) bool {
			_, declared := p.Volumes[v.Source]
			return v.Type == "volume" && v.Target == folder && declared && !v.ReadOnly
		}) {
			t.Errorf("%s keeps %s in no volume", name, folder)
		}
	}
	for name, s := range p.Services {
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is published on %q", name, port.HostIP)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != "bind" {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts %s: %v", name, v.Source, err)
			}
			if !v.ReadOnly {
				t.Errorf("%s may write to %s", name, v.Source)
			}
		}
	}
}

func TestCompose_ThreeNodesShareANameAndHaveOneEach(t *testing.T) {
	t.Parallel()
	p := compose(t, "--env-file", "cluster.env", "../docker-compose.yml")
	for i, name := range []string{"nats", "nats-2", "nats-3"} {
		s := p.Services[name]
		own := []string{"nats-1", "nats-2", "nats-3"}[i]
		if !slices.Equal(s.Command, []string{"--config", "/etc/nats/cluster.conf", "--name", own}) {
			t.Errorf("%s runs %q", name, s.Command)
		}
		names := append([]string{name}, s.Networks["default"].Aliases...)
		if !slices.Contains(names, "nats") || !slices.Contains(names, own) {
			t.Errorf("%s is called %q", name, names)
		}
		for _, mounted := range []string{"cluster.conf", "users.conf"} {
			if !slices.ContainsFunc(s.Volumes, func(v mount) bool {
				return v.Target == "/etc/nats/"+mounted && filepath.Base(v.Source) == mounted
			}) {
				t.Errorf("%s has no %s", name, mounted)
			}
		}
	}
	set := settingsOf(t, p.ours(t)["setup"], secretContents(t)).(*setupSettings)
	if set.Stream.Replicas != 3 {
		t.Errorf("streams have %d replicas", set.Stream.Replicas)
	}
	one := settingsOf(t, compose(t, "../docker-compose.yml").ours(t)["setup"], secretContents(t)).(*setupSettings)
	if one.Stream.Replicas != 1 || stream.EventsConfig(one.Stream).MaxBytes != 8<<30 {
		t.Errorf("without the cluster: %+v", one.Stream)
	}
}

func TestMakeUp_GivesComposeTheFilesThatAProfileNeeds(t *testing.T) {
	t.Parallel()
	for profiles, want := range map[string]string{
		"":                "VERSION='1' docker compose --file docker-compose.yml up --build --detach --wait",
		"observe":         "COMPOSE_PROFILES='observe' VERSION='1' docker compose --file docker-compose.yml up --build --detach --wait",
		"observe,cluster": "COMPOSE_PROFILES='observe,cluster' VERSION='1' docker compose --env-file deploy/cluster.env --file docker-compose.yml up --build --detach --wait",
	} {
		dir := t.TempDir() // with neither .env nor secrets in it
		// #nosec G204 -- our own arguments
		cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "--dry-run", "--file", "Makefile", "--directory", dir, "up", "VERSION=1", "PROFILES="+profiles)
		cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
		if err := os.WriteFile(filepath.Join(dir, "Makefile"), readFile(t, "../Makefile"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := strings.Join(strings.Fields(strings.ReplaceAll(string(out), "\\\n", " ")), " "); got != "deploy/make-secrets "+want {
			t.Errorf("PROFILES=%s: %s", profiles, got)
		}
	}
}
