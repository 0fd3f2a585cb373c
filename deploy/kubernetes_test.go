package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/stream"
)

// object is what we look at of one that kustomize has built and its own type has taken.
type object struct {
	Kind     string
	Metadata struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Data map[string]string
	Spec struct {
		Replicas *int
		Selector selector
		Strategy struct {
			RollingUpdate *struct{ MaxSurge, MaxUnavailable int }
		}
		Template struct {
			Metadata struct{ Labels, Annotations map[string]string }
			Spec     pod
		}
		MinAvailable                     *int
		PodSelector                      selector
		PolicyTypes                      []string
		ScaleTargetRef                   struct{ Name string }
		MinReplicaCount, MaxReplicaCount *int
		Triggers                         []struct {
			Type     string
			Metadata map[string]string
		}
		Rules []struct {
			Host string
			HTTP struct {
				Paths []struct {
					Path, PathType string
					Backend        struct{ Service struct{ Name string } }
				}
			}
		}
	}
}

// selector is one of labels; a service's has them without a word before.
type selector struct{ MatchLabels map[string]string }

func (s *selector) UnmarshalJSON(text []byte) error {
	var plain struct{ MatchLabels map[string]string }
	if err := json.Unmarshal(text, &plain); err == nil && plain.MatchLabels != nil {
		s.MatchLabels = plain.MatchLabels
		return nil
	}
	return json.Unmarshal(text, &s.MatchLabels)
}

type pod struct {
	Grace           *int64 `json:"terminationGracePeriodSeconds"`
	Token           *bool  `json:"automountServiceAccountToken"`
	ServiceLinks    *bool  `json:"enableServiceLinks"`
	SecurityContext struct {
		RunAsNonRoot       bool
		RunAsUser, FSGroup int64
		SeccompProfile     struct{ Type string }
	}
	Containers []struct {
		Name, Image string
		Args        []string
		Env         []struct {
			Name, Value string
			ValueFrom   *struct{ ConfigMapKeyRef *struct{ Name, Key string } }
		}
		Ports []struct {
			Name          string
			ContainerPort int
		}
		StartupProbe, ReadinessProbe, LivenessProbe *struct {
			HTTPGet struct{ Path, Port string }
		}
		Resources       struct{ Limits, Requests map[string]string }
		SecurityContext struct {
			AllowPrivilegeEscalation *bool
			ReadOnlyRootFilesystem   bool
			Capabilities             struct{ Drop []string }
		}
		VolumeMounts []struct {
			Name, MountPath string
			ReadOnly        bool
		}
	}
	Volumes []struct {
		Name   string
		Secret struct {
			SecretName  string
			DefaultMode int
		}
	}
}

func kubernetes(t *testing.T) []object {
	t.Helper()
	var all []object
	manifests(t, &all, "kubernetes", "kubernetes")
	return all
}

// workloads are the objects that have pods.
func workloads(t *testing.T, all []object) map[string]object {
	t.Helper()
	out := map[string]object{}
	for _, o := range all {
		if o.Kind == "Deployment" || o.Kind == "Job" {
			out[o.Metadata.Name] = o
		}
	}
	if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, []string{"ingester", "setup", "tool", "worker"}) {
		t.Fatalf("pods are of %q", got)
	}
	return out
}

// containerOf reads the only container of a pod, whose variables may be of the config map and whose secrets are files.
func containerOf(t *testing.T, p pod, config map[string]string, keys map[string][]string) container {
	t.Helper()
	if len(p.Containers) != 1 || len(p.Volumes) != 1 {
		t.Fatalf("%d containers, %d volumes", len(p.Containers), len(p.Volumes))
	}
	k := p.Containers[0]
	program, _, _ := strings.Cut(strings.TrimPrefix(k.Image, "guichet/"), ":")
	c := container{program: program, args: k.Args, env: map[string]string{}, secrets: map[string]string{}, grace: 30 * time.Second} // Kubernetes' default
	for _, e := range k.Env {
		c.env[e.Name] = e.Value
		if e.ValueFrom != nil {
			value, there := config[e.ValueFrom.ConfigMapKeyRef.Name+"/"+e.ValueFrom.ConfigMapKeyRef.Key]
			if !there {
				t.Errorf("%s: %s is in no config map", k.Name, e.Name)
			}
			c.env[e.Name] = value
		}
	}
	v, m := p.Volumes[0], k.VolumeMounts[0]
	if m.Name != v.Name || m.MountPath != "/run/secrets" || !m.ReadOnly || v.Secret.DefaultMode != 0o440 {
		t.Errorf("%s mounts %+v of %+v", k.Name, m, v)
	}
	for _, key := range keys[v.Secret.SecretName] {
		c.secrets[key] = v.Secret.SecretName + "/" + key
	}
	if p.Grace != nil {
		c.grace = time.Duration(*p.Grace) * time.Second
	}
	mebibytes, err := strconv.ParseInt(strings.TrimSuffix(k.Resources.Limits["memory"], "Mi"), 10, 64)
	if err != nil {
		t.Errorf("%s: %v", k.Name, err)
	}
	c.memory = mebibytes << 20
	return c
}

// kubernetesSecrets are what the shipped script makes: the keys of each secret, and their contents by secret/key.
func kubernetesSecrets(t *testing.T) (keys map[string][]string, content map[string]string) {
	t.Helper()
	folder, made, bin := secrets(t), t.TempDir(), t.TempDir()
	const kubectl = `#!/bin/sh
set -eu
[ "$1" = apply ] && { cat >/dev/null; exit; }
[ "$1 $2 $3" = "create secret generic" ]
secret=$4
mkdir "$MADE/$secret"
for argument in "$@"; do
	case "$argument" in --from-file=*)
		pair=${argument#--from-file=}
		cp "${pair#*=}" "$MADE/$secret/${pair%%=*}" ;;
	esac
done
`
	if err := os.WriteFile(filepath.Join(bin, "kubectl"), []byte(kubectl), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "kubernetes/create-secrets", folder)
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "MADE=" + made}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("create-secrets: %v\n%s", err, out)
	}
	keys, content = map[string][]string{}, map[string]string{}
	files, err := filepath.Glob(filepath.Join(made, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		secret, key := filepath.Base(filepath.Dir(path)), filepath.Base(path)
		keys[secret] = append(keys[secret], key)
		content[secret+"/"+key] = read(t, path)
	}
	return keys, content
}

func TestKubernetes_EachPodHasSettingsThatItsProgramTakes(t *testing.T) {
	t.Parallel()
	all := kubernetes(t)
	config := map[string]string{}
	for _, o := range all {
		for key, value := range o.Data {
			config[o.Metadata.Name+"/"+key] = value
		}
	}
	keys, content := kubernetesSecrets(t)
	for name, o := range workloads(t, all) {
		c := containerOf(t, o.Spec.Template.Spec, config, keys)
		loaded := checkContainer(t, c, content)
		if url, there := content[c.secrets["database_url"]]; there && (!strings.Contains(url, "@postgres-rw:5432/") || !strings.HasSuffix(url, "sslmode=require")) {
			t.Errorf("%s reaches PostgreSQL elsewhere, or in the clear", name)
		}
		if set, ok := loaded.(*setupSettings); ok && (set.Stream.Replicas != 3 || !strings.Contains(set.NATS.URL, "@nats.nats.svc.cluster.local:4222")) {
			t.Errorf("%s: %d replicas, NATS elsewhere", name, set.Stream.Replicas)
		}
	}
}

func TestKubernetes_PodsAreRestricted(t *testing.T) {
	t.Parallel()
	for name, o := range workloads(t, kubernetes(t)) {
		p := o.Spec.Template.Spec
		s, k := p.SecurityContext, p.Containers[0].SecurityContext
		if !s.RunAsNonRoot || s.RunAsUser != 65532 || s.FSGroup != 65532 || s.SeccompProfile.Type != "RuntimeDefault" {
			t.Errorf("%s: %+v", name, s)
		}
		if k.AllowPrivilegeEscalation == nil || *k.AllowPrivilegeEscalation || !k.ReadOnlyRootFilesystem || !slices.Equal(k.Capabilities.Drop, []string{"ALL"}) {
			t.Errorf("%s: %+v", name, k)
		}
		if p.Token == nil || *p.Token || p.ServiceLinks == nil || *p.ServiceLinks {
			t.Errorf("%s has a token, or variables of services", name)
		}
	}
}

func TestKubernetes_APodGetsTrafficOnceItIsReadyAndIsReplacedOneByOne(t *testing.T) {
	t.Parallel()
	all := kubernetes(t)
	pods := workloads(t, all)
	for name, port := range map[string]string{"ingester": "9090", "worker": "9091"} {
		o := pods[name]
		k := o.Spec.Template.Spec.Containers[0]
		ports := map[string]int{}
		for _, p := range k.Ports {
			ports[p.Name] = p.ContainerPort
		}
		if strconv.Itoa(ports["admin"]) != port || o.Spec.Template.Metadata.Annotations["prometheus.io/port"] != port {
			t.Errorf("%s: ports %v, scraped at %v", name, ports, o.Spec.Template.Metadata.Annotations)
		}
		if k.ReadinessProbe.HTTPGet.Path != "/readyz" || k.LivenessProbe.HTTPGet.Path != "/livez" || k.StartupProbe == nil || k.ReadinessProbe.HTTPGet.Port != "admin" {
			t.Errorf("%s: probes %+v %+v", name, k.ReadinessProbe, k.LivenessProbe)
		}
		if r := o.Spec.Strategy.RollingUpdate; r == nil || r.MaxUnavailable != 0 || r.MaxSurge != 1 {
			t.Errorf("%s is replaced as %+v", name, r)
		}
	}
	for _, o := range all {
		switch o.Kind {
		case "PodDisruptionBudget", "Service":
			matches(t, o, o.Spec.Selector, pods[o.Metadata.Name])
			if o.Kind == "PodDisruptionBudget" && (o.Spec.MinAvailable == nil || *o.Spec.MinAvailable < 1) {
				t.Errorf("the budget of %s: %+v", o.Metadata.Name, o.Spec.MinAvailable)
			}
		case "NetworkPolicy":
			for name, w := range pods {
				if o.Metadata.Name == name || o.Metadata.Name == "guichet" {
					matches(t, o, o.Spec.PodSelector, w)
				}
			}
			if o.Metadata.Name == "guichet" && !slices.Equal(o.Spec.PolicyTypes, []string{"Ingress", "Egress"}) {
				t.Errorf("by default %q are closed", o.Spec.PolicyTypes)
			}
		case "Ingress":
			path := o.Spec.Rules[0].HTTP.Paths[0]
			if path.Path != "/stripe/webhooks" || path.PathType != "Exact" || path.Backend.Service.Name != "ingester" {
				t.Errorf("the ingress: %+v", path)
			}
		}
	}
}

// matches holds that a selector finds the pods of a workload.
func matches(t *testing.T, o object, s selector, workload object) {
	t.Helper()
	if len(s.MatchLabels) == 0 {
		t.Errorf("%s %s selects all", o.Kind, o.Metadata.Name)
	}
	for key, value := range s.MatchLabels {
		if workload.Spec.Template.Metadata.Labels[key] != value {
			t.Errorf("%s %s selects %s=%s, which %s has not", o.Kind, o.Metadata.Name, key, value, workload.Metadata.Name)
		}
	}
}

// lag is what KEDA's scaler reads of NATS's monitoring port: see its nats_jetstream_scaler.go, of which this is the query.
func lag(t *testing.T, monitor string, trigger map[string]string) int64 {
	t.Helper()
	query := url.Values{"acc": {trigger["account"]}, "consumers": {"true"}, "config": {"true"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+monitor+"/jsz?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var jsz struct {
		Accounts []struct {
			Name    string
			Streams []struct {
				Name      string
				Consumers []struct {
					Name       string
					Pending    int64 `json:"num_pending"`
					AckPending int64 `json:"num_ack_pending"`
				} `json:"consumer_detail"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if err := json.Unmarshal(body, &jsz); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, a := range jsz.Accounts {
		for _, s := range a.Streams {
			for _, c := range s.Consumers {
				if a.Name == trigger["account"] && s.Name == trigger["stream"] && c.Name == trigger["consumer"] {
					return c.Pending + c.AckPending
				}
			}
		}
	}
	t.Fatalf("no such consumer as KEDA looks for: %v\n%s", trigger, body)
	return 0
}

func TestKubernetes_KEDAFindsTheWorkersLag(t *testing.T) {
	t.Parallel()
	var scaled object
	for _, o := range kubernetes(t) {
		if o.Kind == "ScaledObject" {
			scaled = o
		}
	}
	if scaled.Spec.ScaleTargetRef.Name != "worker" || len(scaled.Spec.Triggers) != 1 || scaled.Spec.Triggers[0].Type != "nats-jetstream" || *scaled.Spec.MinReplicaCount < 2 {
		t.Fatalf("%+v", scaled.Spec)
	}
	server, urlOf := single(t, secrets(t))
	_, ingester := dial(t, urlOf("ingester"))
	_, worker := dial(t, urlOf("worker"))
	for i := range 5 {
		if _, err := ingester.Publish(t.Context(), "stripe.events.charge.refunded", fmt.Appendf(nil, "{%d}", i)); err != nil {
			t.Fatal(err)
		}
	}
	consumer, err := worker.Consumer(t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // one is acknowledged, one is in work
		message, err := consumer.Next()
		if err != nil {
			t.Fatal(err)
		}
		if meta, err := message.Metadata(); err != nil || meta.Sequence.Stream == 1 && message.DoubleAck(t.Context()) != nil {
			t.Fatal(err)
		}
	}
	if got := lag(t, server.MonitorAddr().String(), scaled.Spec.Triggers[0].Metadata); got != 4 {
		t.Errorf("KEDA reads a lag of %d, want 4: 3 not delivered and 1 not acknowledged", got)
	}
}
