package ingest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/educareschool/guichet/pkg/settings"
)

func TestProductionWithoutASecretDoesNotStart(t *testing.T) {
	t.Parallel()
	var set Settings
	if err := settings.Load(&set, settings.Source{Env: testEnv("nats://127.0.0.1:1", env{"STRIPE_WEBHOOK_SECRET": ""})}); err != nil {
		t.Fatal(err)
	}
	set.Logging.Environment = settings.Production // as a caller that does not load settings may have it
	log := &logBuffer{}
	err := Run(t.Context(), Options{Settings: set, Log: log.logger(t), Registry: prometheus.NewRegistry()})
	if err == nil || !strings.Contains(err.Error(), "STRIPE_WEBHOOK_SECRET") {
		t.Errorf("Run = %v", err)
	}
}

func TestDevelopmentModeVerifiesNothingAndRefusesLiveEvents(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, env{"STRIPE_WEBHOOK_SECRET": ""})
	if got := in.do(in.request(sample("evt_test"), "")); got.Status != http.StatusOK {
		t.Errorf("test-mode event: %d %s", got.Status, got.text)
	}
	got := in.do(in.request(sampleOf("evt_live", "charge.refunded", true), ""))
	if got.Status != http.StatusForbidden || outcome(got.Error.Code) != liveRefused || !strings.Contains(got.Error.Message, "STRIPE_WEBHOOK_SECRET") {
		t.Errorf("live-mode event: %d %s", got.Status, got.text)
	}
	if ids := eventIDs(storedEvents(t, js)); ids["evt_test"] != 1 || len(ids) != 1 {
		t.Errorf("stored %v", ids)
	}
	for _, line := range in.log.lines(t, "STRIPE_WEBHOOK_SECRET not found, webhook signature verification disabled") {
		if line["level"] != "warn" {
			t.Errorf("level = %v", line["level"])
		}
	}
	if !strings.Contains(in.log.String(), "DEVELOPMENT MODE") {
		t.Error("no loud warning")
	}
}

func TestATakenAddressIsAnErrorOfTheStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, name := range []string{"LISTEN_ADDR", "ADMIN_ADDR"} {
		var set Settings
		if err := settings.Load(&set, settings.Source{Env: testEnv("nats://127.0.0.1:1", env{name: taken.Addr().String()})}); err != nil {
			t.Fatal(err)
		}
		log := &logBuffer{}
		if err := Run(t.Context(), Options{Settings: set, Log: log.logger(t), Registry: prometheus.NewRegistry()}); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
			t.Errorf("%s: Run = %v", name, err)
		}
	}
}

func TestARequestInFlightIsFinishedBeforeAGracefulStop(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	body := sample("evt_1")
	c := rawRequest(t, in, fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\nStripe-Signature: %s\r\n", len(body), sign(testSecret, time.Now(), body)))
	answers := bufio.NewReader(c)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	in.cancel() // the handler is reading the body now
	eventually(t, func() bool {
		ok, text := in.ready()
		return !ok && strings.Contains(text, "shutting down")
	}, func() string { return "never unready" })
	eventually(t, func() bool {
		probe, err := net.Dial("tcp", c.RemoteAddr().String())
		if err == nil {
			_ = probe.Close()
		}
		return err != nil
	}, func() string { return "still listening" })
	if _, err := io.WriteString(c, body); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status = %d", res.StatusCode)
	}
	if err := in.stop(); err != nil {
		t.Errorf("Run = %v, want a clean end", err)
	}
	if n := len(storedEvents(t, js)); n != 1 {
		t.Errorf("%d events stored, want 1", n)
	}
}

func TestWebhooksAreTakenUntilLoadBalancersHadTheTimeToNotice(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, env{"DRAIN_DELAY": "2s"})
	if got := in.post(sample("evt_before")); got.Status != http.StatusOK || got.last {
		t.Errorf("before: %d %s, last: %t", got.Status, got.text, got.last)
	}
	in.cancel()
	eventually(t, func() bool { ok, _ := in.ready(); return !ok }, func() string { return "never unready" })
	if got := in.post(sample("evt_meanwhile")); got.Status != http.StatusOK || !got.last {
		t.Errorf("meanwhile: %d %s, last: %t", got.Status, got.text, got.last)
	}
	if err := in.stop(); err != nil {
		t.Errorf("Run = %v, want a clean end", err)
	}
	if n := len(storedEvents(t, js)); n != 2 {
		t.Errorf("%d events stored, want 2", n)
	}
}

func TestAStopIsBoundedByTheGrace(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	in := start(t, natsURL, env{"PUBLISH_TIMEOUT": "100ms", "SHUTDOWN_GRACE": "100ms"})
	c := rawRequest(t, in, "Content-Length: 10\r\nExpect: 100-continue\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	began := time.Now()
	if err := in.stop(); err != nil {
		t.Errorf("Run = %v, want a clean end", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("the stop took %s", took)
	}
}
