package deploy

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/settings"
)

// stack is what we look at of stack files as docker stack deploy has read them.
type stack struct {
	Services map[string]stackService
	Secrets  map[string]external
	Networks map[string]external
}

type external struct {
	Name     string
	External any
}

type stackService struct {
	Image       string
	Command     []string
	Environment map[string]string
	Secrets     []struct{ Source, Target string }
	Networks    map[string]any
	ReadOnly    bool     `json:"read_only"`
	CapDrop     []string `json:"cap_drop"`
	Grace       string   `json:"stop_grace_period"`
	Healthcheck *struct{ Disable bool }
	Logging     *struct{ Driver string }
	Deploy      struct {
		Mode      string
		Replicas  *int
		Labels    map[string]string
		Update    policy                     `json:"update_config"`
		Rollback  policy                     `json:"rollback_config"`
		Restart   struct{ Condition string } `json:"restart_policy"`
		Resources struct {
			Limits *struct{ Memory string }
		}
		Placement struct{ Constraints []string }
	}
}

// policy says how tasks are replaced.
type policy struct {
	Parallelism   int
	Order         string
	Delay         string
	Monitor       string
	FailureAction string `json:"failure_action"`
}

// chosen are the variables that stack.env sets, as a shell reads them.
func chosen(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "env", "-i", "/bin/sh", "-euc", "set -a; . swarm/stack.env; exec env").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// swarm loads stack files with what stack.env and others set.
func swarm(t *testing.T, others []string, files ...string) stack {
	t.Helper()
	var stackArgs, composeArgs []string
	for _, set := range append(chosen(t), others...) {
		stackArgs = append(stackArgs, "--set", set)
	}
	for _, f := range files {
		stackArgs = append(stackArgs, "swarm/"+f)
	}
	composeArgs = append([]string{"compose"}, stackArgs...)
	var s stack
	manifests(t, &s, append([]string{"stack"}, stackArgs...)...)
	var p project
	manifests(t, &p, composeArgs...) // the two read the same format, and differ in what they refuse
	if len(p.Services) != len(s.Services) {
		t.Errorf("Compose sees %d services, Swarm %d", len(p.Services), len(s.Services))
	}
	return s
}

// ours are the services whose programs are Guichet's.
func (s stack) ours(t *testing.T) map[string]container {
	t.Helper()
	out := map[string]container{}
	for name, service := range s.Services {
		program, _, _ := strings.Cut(strings.TrimPrefix(service.Image, "registry.example.org/guichet/"), ":")
		if _, ours := programs[program]; !ours {
			continue
		}
		c := container{program: program, args: service.Command, env: service.Environment, secrets: map[string]string{}}
		for _, secret := range service.Secrets {
			target := secret.Target
			if target == "" {
				target = secret.Source
			}
			c.secrets[target] = s.Secrets[secret.Source].Name
		}
		grace, err := time.ParseDuration(service.Grace)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.grace = grace
		if limits := service.Deploy.Resources.Limits; limits != nil {
			if c.memory, err = strconv.ParseInt(limits.Memory, 10, 64); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		out[name] = c
	}
	return out
}

// swarmSecrets are the contents of the Docker secrets that the shipped script makes, by their names in the Swarm.
func swarmSecrets(t *testing.T) map[string]string {
	t.Helper()
	folder, made := secrets(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "stripe_api_key"), []byte("rk_live_1"), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	const docker = `#!/bin/sh
case "$1 $2" in
"secret inspect") [ -e "$MADE/$3" ] ;;
"secret create") cp "$4" "$MADE/$3" ;;
*) exit 1 ;;
esac
`
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(docker), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it finds all
		cmd := exec.CommandContext(t.Context(), "swarm/create-secrets", folder)
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "MADE=" + made}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("create-secrets: %v\n%s", err, out)
		}
	}
	files, err := os.ReadDir(made)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range files {
		out[f.Name()] = read(t, filepath.Join(made, f.Name()))
	}
	return out
}

// stacks are the ways of putting the files together.
var stacks = map[string]struct {
	files, others []string
}{
	"PostgreSQL elsewhere":        {[]string{"stack.yml"}, nil},
	"PostgreSQL in the stack":     {[]string{"stack.yml", "postgres.yml"}, nil},
	"PostgreSQL of the platform":  {[]string{"stack.yml", "platform.yml"}, []string{"PLATFORM_NETWORK=projet5iw-deploy_default"}},
	"with Stripe's API":           {[]string{"stack.yml", "postgres.yml", "stripe-api.yml"}, nil},
	"for tests in test mode":      {[]string{"stack.yml", "postgres.yml"}, []string{"GUICHET_ENV=development"}},
	"with a secret of a new name": {[]string{"stack.yml"}, []string{"STRIPE_WEBHOOK_SECRET_NAME=stripe_webhook_secret_2"}},
}

func TestSwarm_EachServiceHasSettingsThatItsProgramTakes(t *testing.T) {
	t.Parallel()
	content := swarmSecrets(t)
	content["stripe_webhook_secret_2"] = "whsec_2"
	for name, put := range stacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := swarm(t, put.others, put.files...)
			for secret, e := range s.Secrets {
				if _, there := content[e.Name]; !there || e.External == nil {
					t.Errorf("nobody makes the secret %s, %q", secret, e.Name)
				}
			}
			ours := s.ours(t)
			if len(ours) != 4 {
				t.Errorf("%d services are ours", len(ours))
			}
			for _, c := range ours {
				checkContainer(t, c, content)
			}
			if _, asks := s.Secrets["stripe_api_key"]; asks != (ours["worker"].secrets["stripe_api_key"] != "") {
				t.Errorf("the worker's secrets are %v", ours["worker"].secrets)
			}
		})
	}
}

// traefikLooksEvery is how old Traefik's picture of a Swarm may be (refreshSeconds, by default).
const traefikLooksEvery = 15 * time.Second

func TestSwarm_AnUpdateLosesNothing(t *testing.T) {
	t.Parallel()
	services := swarm(t, nil, "stack.yml", "postgres.yml").Services
	for _, name := range []string{"ingester", "worker"} {
		s := services[name]
		for what, p := range map[string]policy{"update": s.Deploy.Update, "rollback": s.Deploy.Rollback} {
			if p.Order != "start-first" || p.Parallelism != 1 || p.Delay == "" || p.Monitor == "" {
				t.Errorf("the %s of %s: %+v", what, name, p)
			}
		}
		if s.Deploy.Update.FailureAction != "rollback" || s.Deploy.Replicas == nil || *s.Deploy.Replicas < 2 || s.Deploy.Restart.Condition != "any" {
			t.Errorf("%s: %+v", name, s.Deploy)
		}
		if delay, _ := time.ParseDuration(s.Environment["DRAIN_DELAY"]); name == "ingester" && delay <= traefikLooksEvery {
			t.Errorf("a stopping ingester takes webhooks for %s, and Traefik may send them for %s", delay, traefikLooksEvery)
		}
		if s.Healthcheck != nil {
			t.Errorf("%s has another health check than its image", name)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s may write, or has capabilities", name)
		}
	}
	for name, s := range services {
		if s.Deploy.Resources.Limits == nil || s.Logging == nil {
			t.Errorf("%s has no limit of memory or of logs", name)
		}
		if name == "nats" || name == "postgres" { // who must not meet itself on one folder
			if s.Deploy.Update.Order != "stop-first" || *s.Deploy.Replicas != 1 || len(s.Deploy.Placement.Constraints) != 1 || s.Healthcheck == nil {
				t.Errorf("%s: %+v", name, s.Deploy)
			}
		}
	}
	if setup := services["setup"].Deploy; setup.Mode != "replicated-job" || setup.Restart.Condition != "on-failure" {
		t.Errorf("setup: %+v", setup)
	}
}

func TestSwarm_TraefikSendsTheWebhooksToTheIngester(t *testing.T) {
	t.Parallel()
	s := swarm(t, []string{"GUICHET_HOST=paiements.example.org", "TRAEFIK_NETWORK=web", "TRAEFIK_CERTRESOLVER=le"}, "stack.yml")
	var set ingest.Settings
	if err := settings.Load(&set, settings.Source{Env: s.Services["ingester"].Environment, SecretsDir: secrets(t)}); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(set.ListenAddr)
	if err != nil {
		t.Fatal(err)
	}
	labels := s.Services["ingester"].Deploy.Labels
	for label, want := range map[string]string{
		"enable":                                         "true",
		"swarm.network":                                  "web",
		"docker.network":                                 "web",
		"http.routers.guichet.rule":                      "Host(`paiements.example.org`) && Path(`" + ingest.Path + "`)",
		"http.routers.guichet.tls.certresolver":          "le",
		"http.routers.guichet.service":                   "guichet",
		"http.services.guichet.loadbalancer.server.port": port,
		"http.routers.guichet.middlewares":               "guichet-retry",
		"http.middlewares.guichet-retry.retry.attempts":  "4",
		"http.routers.guichet.entrypoints":               "websecure",
	} {
		if got := labels["traefik."+label]; got != want {
			t.Errorf("traefik.%s is %q, want %q", label, got, want)
		}
	}
	if n := s.Networks["traefik"]; n.Name != "web" || n.External == nil {
		t.Errorf("the network of Traefik: %+v", n)
	}
	for name, service := range s.Services {
		if _, on := service.Networks["traefik"]; on != (name == "ingester") {
			t.Errorf("%s is on the network of Traefik: %t", name, on)
		}
	}
}

func TestSwarm_RefusesToStartWithoutWhatOnlyItsOwnerKnows(t *testing.T) {
	t.Parallel()
	all := []string{"TRAEFIK_NETWORK=t", "MAIL_FROM=a@example.org", "ADMIN_EMAIL=b@example.org"}
	for i, missing := range all {
		args := []string{"stack"}
		for j, set := range all {
			if j != i {
				args = append(args, "--set", set)
			}
		}
		name, _, _ := strings.Cut(missing, "=")
		out, err := exec.CommandContext(t.Context(), filepath.Join(os.Getenv(manifestsDir), "manifests"), append(args, "swarm/stack.yml")...).CombinedOutput() // #nosec G204 -- our own program
		if err == nil || !strings.Contains(string(out), "required variable "+name+" is missing") {
			t.Errorf("without %s: %v\n%s", name, err, out)
		}
	}
}
