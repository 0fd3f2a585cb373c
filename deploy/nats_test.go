// Package deploy holds what Guichet is deployed with, and the tests that load it as it will be loaded.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/backfill"
	"github.com/educareschool/guichet/pkg/deadletter"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stream/streamtest"
)

// patience bounds every wait.
const patience = time.Minute

// secrets runs the shipped script and returns the folder that it has written.
func secrets(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secrets")
	if out, err := exec.CommandContext(t.Context(), "./make-secrets", dir).CombinedOutput(); err != nil {
		t.Fatalf("make-secrets: %v\n%s", err, out)
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

// natsFolder lays the shipped configuration and the secrets out as they are mounted in /etc/nats.
func natsFolder(t *testing.T, secrets string) string {
	t.Helper()
	dir := t.TempDir()
	for name, from := range map[string]string{
		"nats.conf": "nats/nats.conf", "cluster.conf": "nats/cluster.conf", "users.conf": "nats/users.conf",
		"passwords.conf": filepath.Join(secrets, "nats_passwords"), "routes.conf": filepath.Join(secrets, "nats_routes"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(read(t, from)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// natsOptions reads a configuration as nats-server does, and moves it to an address and a folder of the test's own.
func natsOptions(t *testing.T, path, host string) *server.Options {
	t.Helper()
	o, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !o.SyncAlways || o.MaxPayload < 1<<20+64<<10 || o.HTTPPort != 8222 || o.Port != 4222 {
		t.Errorf("%s: sync always %t, max_payload %d, ports %d and %d", path, o.SyncAlways, o.MaxPayload, o.Port, o.HTTPPort)
	}
	o.Host, o.Port, o.HTTPHost, o.HTTPPort = host, server.RANDOM_PORT, host, server.RANDOM_PORT
	o.StoreDir, o.NoSigs, o.NoLog = t.TempDir(), true, true
	return o
}

func startNATS(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// single starts one server as it is deployed, with the streams set up, and returns the URL of each user.
func single(t *testing.T, dir string) (*server.Server, func(user string) string) {
	t.Helper()
	s := startNATS(t, natsOptions(t, filepath.Join(natsFolder(t, dir), "nats.conf"), "127.0.0.1"))
	if !s.ReadyForConnections(patience) {
		t.Fatal("nats-server is not ready")
	}
	address := s.Addr().String()
	urlOf := func(user string) string {
		return strings.Replace(read(t, filepath.Join(dir, user+"_nats_url")), "nats:4222", address, 1)
	}
	_, js := dial(t, urlOf("setup"))
	if _, err := stream.Setup(t.Context(), js, streamConfig(1)); err != nil {
		t.Fatal(err)
	}
	return s, urlOf
}

func streamConfig(replicas int) stream.Config {
	return stream.Config{MaxAge: time.Hour, MaxBytes: 64 << 20, DuplicateWindow: time.Hour, Replicas: replicas}
}

// dial connects as our programs do.
func dial(t *testing.T, urls string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := stream.Dial(ctx, urls, "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

// allowed says whether a connection may publish to, or subscribe, a subject.
func allowed(t *testing.T, urls, verb, subject string) bool {
	t.Helper()
	conn, _ := dial(t, urls)
	defer conn.Close()
	switch verb {
	case "publish":
		// Not a request, so nothing answers: only the server's refusal can come before that of the flush.
		if err := conn.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
	case "subscribe":
		if _, err := conn.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatal(verb)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	err := conn.LastError()
	if err != nil && !errors.Is(err, nats.ErrPermissionViolation) {
		t.Fatal(err)
	}
	return err == nil
}

// subjects stand for what they do; each user but setup, who may do all, is tried with every one.
var subjects = []struct {
	verb, subject string
	may           string // the users that may
}{
	{"publish", "stripe.events.checkout.session.completed", "ingester worker operator"},
	{"publish", "stripe.dead.checkout.session.completed", "worker"},
	{"publish", "$JS.API.INFO", "operator"},
	{"publish", "$JS.API.STREAM.INFO.STRIPE_EVENTS", "worker operator"},
	{"publish", "$JS.API.STREAM.INFO.STRIPE_DEAD_LETTERS", "worker operator"},
	{"publish", "$JS.API.STREAM.NAMES", ""},
	{"publish", "$JS.API.STREAM.CREATE.OTHER", ""},
	{"publish", "$JS.API.STREAM.UPDATE.STRIPE_EVENTS", ""},
	{"publish", "$JS.API.STREAM.DELETE.STRIPE_EVENTS", ""},
	{"publish", "$JS.API.STREAM.PURGE.STRIPE_EVENTS", ""},
	{"publish", "$JS.API.STREAM.PURGE.STRIPE_DEAD_LETTERS", ""},
	{"publish", "$JS.API.STREAM.SNAPSHOT.STRIPE_EVENTS", ""},
	{"publish", "$JS.API.STREAM.MSG.GET.STRIPE_EVENTS", ""},
	{"publish", "$JS.API.STREAM.MSG.DELETE.STRIPE_EVENTS", "operator"},
	{"publish", "$JS.API.STREAM.MSG.DELETE.STRIPE_DEAD_LETTERS", "operator"},
	{"publish", "$JS.API.DIRECT.GET.STRIPE_EVENTS", "operator"},
	{"publish", "$JS.API.DIRECT.GET.STRIPE_EVENTS.stripe.events.charge.refunded", "operator"},
	{"publish", "$JS.API.DIRECT.GET.STRIPE_DEAD_LETTERS", "operator"},
	{"publish", "$JS.API.CONSUMER.INFO.STRIPE_EVENTS.worker", "worker operator"},
	{"publish", "$JS.API.CONSUMER.MSG.NEXT.STRIPE_EVENTS.worker", "worker"},
	{"publish", "$JS.API.CONSUMER.CREATE.STRIPE_EVENTS.worker", ""},
	{"publish", "$JS.API.CONSUMER.CREATE.STRIPE_EVENTS.worker.stripe.events.>", ""},
	{"publish", "$JS.API.CONSUMER.DURABLE.CREATE.STRIPE_EVENTS.worker", ""},
	{"publish", "$JS.API.CONSUMER.DELETE.STRIPE_EVENTS.worker", ""},
	{"publish", "$JS.API.CONSUMER.CREATE.STRIPE_EVENTS.own", "operator"},
	{"publish", "$JS.API.CONSUMER.MSG.NEXT.STRIPE_EVENTS.own", "operator"},
	{"publish", "$JS.API.CONSUMER.DELETE.STRIPE_EVENTS.own", "operator"},
	{"publish", "$JS.API.CONSUMER.CREATE.STRIPE_DEAD_LETTERS.own", "operator"},
	{"publish", "$JS.API.CONSUMER.MSG.NEXT.STRIPE_DEAD_LETTERS.own", "operator"},
	{"publish", "$JS.ACK.STRIPE_EVENTS.worker.1.1.1.1.0", "worker"},
	{"publish", "$JS.ACK._.hash.STRIPE_EVENTS.worker.1.1.1.1.0", "worker"},
	{"publish", "$JS.ACK.STRIPE_EVENTS.own.1.1.1.1.0", ""},
	{"publish", "$JS.FC.STRIPE_EVENTS.own.x", "operator"},
	{"publish", "$SYS.REQ.SERVER.PING", ""},
	{"publish", "anything", ""},
	{"subscribe", "_INBOX_ingester.x", "ingester"},
	{"subscribe", "_INBOX_worker.x", "worker"},
	{"subscribe", "_INBOX_operator.x", "operator"},
	{"subscribe", "stripe.events.>", ""},
	{"subscribe", "stripe.dead.>", ""},
	{"subscribe", ">", ""},
}

func TestNATS_EachUserMayDoWhatItNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	_, urlOf := single(t, secrets(t))
	for _, user := range []string{"ingester", "worker", "operator"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			for _, s := range subjects {
				want := strings.Contains(s.may, user)
				if got := allowed(t, urlOf(user), s.verb, s.subject); got != want {
					t.Errorf("%s %s: allowed %t, want %t", s.verb, s.subject, got, want)
				}
			}
		})
	}
}

func TestNATS_TheOperatorReadsTheArchiveInEveryWay(t *testing.T) {
	t.Parallel()
	_, urlOf := single(t, secrets(t))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, js := dial(t, urlOf("operator"))
	_, admin := dial(t, urlOf("setup"))
	for _, subject := range []string{"stripe.events.charge.refunded", "stripe.dead.charge.refunded"} {
		if _, err := admin.Publish(ctx, subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	for name, a := range map[string]*archive.Archive{"events": archive.Events(js), "dead letters": archive.DeadLetters(js)} {
		found := 0
		err := a.Scan(ctx, archive.Filter{}, nil, func(archive.Message) error { found++; return nil })
		if err != nil || found != 1 {
			t.Errorf("scan %s: %d, %v", name, found, err)
		}
		newest, err := a.Newest(ctx, archive.Filter{Since: time.Now().Add(-time.Hour), Types: []string{"charge.*"}}, 5, nil)
		if err != nil || len(newest) != 1 {
			t.Errorf("the newest %s: %d, %v", name, len(newest), err)
		}
		if m, err := a.Get(ctx, 1); err != nil || m.Sequence != 1 {
			t.Errorf("get of %s: %v", name, err)
		}
		if m, err := a.Next(ctx, 1); err != nil || m.Sequence != 1 {
			t.Errorf("next of %s: %v", name, err)
		}
	}
	eventually(t, "the server has counted what it stored", func() error { return streamtest.Counted(ctx, admin) })
	if b, err := archive.Events(js).Backlog(ctx); err != nil || b.Pending != 1 || b.Oldest.IsZero() {
		t.Errorf("backlog: %+v, %v", b, err)
	}
	for name, a := range map[string]*archive.Archive{"events": archive.Events(js), "dead letters": archive.DeadLetters(js)} {
		if err := a.Delete(ctx, 1); err != nil {
			t.Errorf("delete of %s: %v", name, err)
		}
	}
	if err := conn.LastError(); err != nil {
		t.Errorf("the operator was refused something: %v", err)
	}
}

func TestNATS_TheOperatorReadsAndMendsAndLeavesTheWorkersConsumerAlone(t *testing.T) {
	t.Parallel()
	_, urlOf := single(t, secrets(t))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, js := dial(t, urlOf("operator"))
	_, admin := dial(t, urlOf("setup"))
	for _, subject := range []string{"stripe.events.charge.refunded", "stripe.dead.charge.refunded"} {
		if _, err := admin.Publish(ctx, subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.AccountInfo(ctx); err != nil {
		t.Error(err)
	}
	for name, subject := range map[string]string{stream.Events: "stripe.events.>", stream.DeadLetters: "stripe.dead.>"} {
		s, err := js.Stream(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.GetMsg(ctx, 1); err != nil {
			t.Errorf("get a message of %s: %v", name, err)
		}
		if _, err := s.GetLastMsgForSubject(ctx, subject); err != nil {
			t.Errorf("get the last message of %s: %v", name, err)
		}
		ordered, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ordered.Next(jetstream.FetchMaxWait(patience)); err != nil {
			t.Errorf("read %s: %v", name, err)
		}
		if err := s.DeleteMsg(ctx, 1); err != nil {
			t.Errorf("take a message away from %s: %v", name, err)
		}
	}
	if _, err := js.Publish(ctx, "stripe.events.charge.refunded", []byte("{}")); err != nil {
		t.Errorf("replay: %v", err)
	}
	// The server acknowledges an event before it counts it for consumers.
	eventually(t, "the operator sees what is before the workers' consumer", func() error {
		worker, err := js.Consumer(ctx, stream.Events, stream.Consumer)
		if err != nil {
			return err
		}
		if n := worker.CachedInfo().NumPending; n != 1 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
	if err := conn.LastError(); err != nil {
		t.Errorf("the operator was refused something: %v", err)
	}

	refused, cancelRefused := context.WithTimeout(ctx, time.Second) // a refusal is no answer
	defer cancelRefused()
	if err := js.DeleteConsumer(refused, stream.Events, stream.Consumer); err == nil {
		t.Error("the operator may delete the workers' consumer")
	}
	if _, err := admin.Consumer(ctx, stream.Events, stream.Consumer); err != nil {
		t.Errorf("the workers' consumer: %v", err)
	}
}

func TestNATS_TheOperatorRedrivesAndSeesWhatIsSettledAndDesigned(t *testing.T) {
	t.Parallel()
	_, urlOf := single(t, secrets(t))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, js := dial(t, urlOf("operator"))
	_, admin := dial(t, urlOf("setup"))
	if _, err := admin.Publish(ctx, "stripe.dead.charge.refunded", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	letter, err := deadletter.Get(ctx, js, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := deadletter.Redrive(ctx, js, letter); err != nil {
		t.Errorf("redrive: %v", err)
	}
	if found, err := deadletter.Select(ctx, js, deadletter.Selection{All: true}); err != nil || len(found) != 0 {
		t.Errorf("left of the dead letters: %v, %v", found, err)
	}
	if _, err := backfill.Unsettled(ctx, js); err != nil {
		t.Errorf("look what is unsettled: %v", err)
	}
	if states, err := stream.Check(ctx, js, stream.Config{}); err != nil || len(states) != 3 {
		t.Errorf("look at the streams: %+v, %v", states, err)
	}
	if err := conn.LastError(); err != nil {
		t.Errorf("the operator was refused something: %v", err)
	}
}

func TestNATS_TheHelmChartsConfigurationIncludesTheUsers(t *testing.T) {
	t.Parallel()
	values := read(t, "kubernetes/dependencies/nats-values.yaml")
	include := regexp.MustCompile(`\$include: (\S+)`).FindStringSubmatch(values)
	mount := regexp.MustCompile(`mountPath: /etc/([^,]+),`).FindStringSubmatch(values)
	if include == nil || mount == nil || !strings.Contains(values, "sync_interval: always") {
		t.Fatal("the values include no users, or do not sync")
	}
	etc := t.TempDir() // the chart's nats.conf is in /etc/nats-config
	if err := os.CopyFS(filepath.Join(etc, mount[1]), os.DirFS(natsFolder(t, secrets(t)))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(etc, "nats-config", "nats.conf")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{\ninclude "+include[1]+";\n\"port\": 4222\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Users) != 4 {
		t.Errorf("it has %d users", len(o.Users))
	}
}
