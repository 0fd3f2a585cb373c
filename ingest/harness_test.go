package ingest

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/stream"
)

// patience is how long a condition may take on a busy machine.
const patience = 20 * time.Second

func startNATS(t testing.TB, o localnats.Options) *localnats.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := localnats.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// dial opens a connection of the test's own, with the permissions that the URL has.
func dial(t testing.TB, natsURL string) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(natsURL, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// wideStream is the stream as the design has it, of a size that tests do not fill.
func wideStream() stream.Config {
	return stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 28, DuplicateWindow: time.Hour, Replicas: 1}
}

func makeStreams(t testing.TB, js jetstream.JetStream, c stream.Config) {
	t.Helper()
	if _, err := stream.Setup(t.Context(), js, c); err != nil {
		t.Fatal(err)
	}
}

// startStore runs NATS with the streams, and returns its URL and a connection to look at it with.
func startStore(t testing.TB) (string, jetstream.JetStream) {
	t.Helper()
	s := startNATS(t, localnats.Options{})
	_, js := dial(t, s.URL())
	makeStreams(t, js, wideStream())
	return s.URL(), js
}

type env map[string]string

// ingester is one that runs in the test.
type ingester struct {
	t        testing.TB
	url      string // of the webhook endpoint
	admin    string
	log      *logBuffer
	registry *prometheus.Registry
	client   *http.Client
	// stop ends it as SIGTERM does and returns what Run returned; it may be called again.
	stop func() error
	// cancel begins to stop it and does not wait.
	cancel context.CancelFunc
}

func testEnv(natsURL string, changes env) env {
	e := env{
		"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "NATS_URL": natsURL,
		"STRIPE_WEBHOOK_SECRET": testSecret, "LOG_LEVEL": "debug", "PUBLISH_TIMEOUT": patience.String(), "SHUTDOWN_GRACE": "1m",
	}
	maps.Copy(e, changes)
	return e
}

// start runs an ingester until the test ends; env changes its settings.
func start(t testing.TB, natsURL string, changes env) *ingester {
	t.Helper()
	var set Settings
	if err := settings.Load(&set, settings.Source{Env: testEnv(natsURL, changes)}); err != nil {
		t.Fatal(err)
	}
	in := &ingester{t: t, log: &logBuffer{}, registry: prometheus.NewRegistry(),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	ctx, cancel := context.WithCancel(context.Background())
	in.cancel = cancel
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Settings: set, Log: in.log.logger(t), Registry: in.registry, Started: func(a Addresses) { started <- a }})
	}()
	in.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := in.stop(); err != nil {
			t.Errorf("the ingester did not end cleanly: %v", err)
		}
		in.client.CloseIdleConnections()
	})
	select {
	case a := <-started:
		in.url, in.admin = "http://"+a.Public+Path, "http://"+a.Admin
	case err := <-ended:
		in.stop = func() error { return nil }
		t.Fatalf("the ingester did not start: %v", err)
	}
	return in
}

// reply is an answer, of either form.
type reply struct {
	Status    int
	Header    http.Header
	Received  bool
	ID        string
	Duplicate bool
	Error     struct{ Code, Message string }
	text      string
	last      bool // the server closes the connection after it
}

// do sends a request and returns its answer, or no answer where none came.
func (in *ingester) do(r *http.Request) reply {
	in.t.Helper()
	res, err := in.client.Do(r)
	if err != nil {
		in.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		return reply{}
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Error(err)
	}
	a := reply{Status: res.StatusCode, Header: res.Header, text: string(text), last: res.Close}
	if err := json.Unmarshal(text, &a); err != nil {
		in.t.Errorf("the answer %q is not JSON: %v", text, err)
	}
	return a
}

// request is a POST of body with that signature header; "" sends none.
func (in *ingester) request(body, signature string) *http.Request {
	in.t.Helper()
	r, err := http.NewRequestWithContext(in.t.Context(), http.MethodPost, in.url, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	if signature != "" {
		r.Header.Set("Stripe-Signature", signature)
	}
	return r
}

// post sends a genuinely signed event.
func (in *ingester) post(body string) reply {
	in.t.Helper()
	return in.do(in.request(body, sign(testSecret, time.Now(), body)))
}

// ready asks the admin port.
func (in *ingester) ready() (ok bool, text string) {
	in.t.Helper()
	res, err := in.client.Get(in.admin + "/readyz?verbose")
	if err != nil {
		return false, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode == http.StatusOK, string(b)
}

func (in *ingester) awaitReady() {
	in.t.Helper()
	var last string
	eventually(in.t, func() bool {
		ok, text := in.ready()
		last = text
		return ok
	}, func() string { return "the ingester never became ready: " + last })
}

// metric sums the counters (or a histogram's observations) of a name whose label has that value; "" takes all.
func metric(t testing.TB, g prometheus.Gatherer, name, value string) int {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if value == "" || hasLabel(m, value) {
				sum += int(m.GetCounter().GetValue()) + int(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func hasLabel(m *dto.Metric, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetValue() == value {
			return true
		}
	}
	return false
}

// eventually waits for a condition.
func eventually(t testing.TB, condition func() bool, otherwise func() string) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-limit.C:
			t.Fatal(otherwise())
		case <-tick.C:
		}
	}
}

// storedEvents returns what the stream holds, in its order.
func storedEvents(t testing.TB, js jetstream.JetStream) []*jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), stream.Events)
	if err != nil {
		t.Fatal(err)
	}
	state := s.CachedInfo().State
	var all []*jetstream.RawStreamMsg
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatalf("message %d: %v", seq, err)
		}
		all = append(all, m)
	}
	return all
}

func eventIDs(messages []*jetstream.RawStreamMsg) map[string]int {
	ids := map[string]int{}
	for _, m := range messages {
		ids[m.Header.Get(stream.HeaderEventID)]++
	}
	return ids
}

// withUser puts a user into a NATS URL.
func withUser(natsURL, user, password string) string {
	u, _ := url.Parse(natsURL)
	u.User = url.UserPassword(user, password)
	return u.String()
}

func portOf(t testing.TB, natsURL string) int {
	t.Helper()
	u, err := url.Parse(natsURL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
