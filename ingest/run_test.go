package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/settings"
)

func TestSettingsHaveDefaultsThatWork(t *testing.T) {
	t.Parallel()
	var set Settings
	if err := settings.Load(&set, settings.Source{Env: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	if set.ListenAddr != ":8080" || set.SignatureTolerance != 5*time.Minute || set.MaxBodyBytes != 1<<20 || !strings.HasPrefix(set.AdminAddr, "127.0.0.1:") {
		t.Errorf("settings = %+v", set)
	}
}

func TestSettingsThatCannotWorkAreRefusedByName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  env
		want string
	}{
		{"production without a secret", env{"GUICHET_ENV": "production"}, "STRIPE_WEBHOOK_SECRET is not set"},
		{"production says what to do", env{"GUICHET_ENV": "production"}, "Docker secret stripe_webhook_secret"},
		{"a secret of separators", env{"STRIPE_WEBHOOK_SECRET": " , \n"}, "holds no secret"},
		{"an API key", env{"STRIPE_WEBHOOK_SECRET": "whsec_a,sk_live_b"}, "secret 2 begins with sk_"},
		{"no tolerance", env{"SIGNATURE_TOLERANCE": "0s"}, "SIGNATURE_TOLERANCE"},
		{"no body", env{"MAX_BODY_BYTES": "0"}, "MAX_BODY_BYTES"},
		{"no time to publish", env{"PUBLISH_TIMEOUT": "0s"}, "PUBLISH_TIMEOUT"},
		{"too little grace", env{"SHUTDOWN_GRACE": "1s"}, "SHUTDOWN_GRACE"},
		{"an unknown environment", env{"GUICHET_ENV": "prod"}, "GUICHET_ENV"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var set Settings
			err := settings.Load(&set, settings.Source{Env: tt.env})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error = %v, want one that says %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "live_b") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
}

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

func TestStartAndReceiptAreLoggedAsTheGuideSays(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	in := start(t, natsURL, nil)
	if n := len(in.log.lines(t, "STRIPE_WEBHOOK_SECRET found, webhook signature verification enabled")); n != 1 {
		t.Errorf("the start was logged %d times", n)
	}
	in.post(sample("evt_1"))
	in.post(sample("evt_1"))
	lines := in.log.lines(t, "🔔 Received Stripe event: checkout.session.completed")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want one a request", len(lines))
	}
	for i, line := range lines {
		if line["event_id"] != "evt_1" || line["event_type"] != "checkout.session.completed" || line["duplicate"] != (i == 1) || line["stored"] != true {
			t.Errorf("line %d = %v", i, line)
		}
	}
}

func TestLogsHoldNoSecretPayloadOrAddress(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "hidden-password"}}
	}})
	natsURL := withUser(s.URL(), "admin", "hidden-password")
	_, js := dial(t, natsURL)
	makeStreams(t, js, wideStream())
	in := start(t, natsURL, env{"STRIPE_WEBHOOK_SECRET": "whsec_hidden_a,whsec_hidden_b"})
	body := sample("evt_1")
	for _, request := range []*http.Request{
		in.request(body, sign("whsec_hidden_b", time.Now(), body)),
		in.request(body, sign("whsec_hidden_b", time.Now().Add(-time.Hour), body)),
		in.request(body, sign("whsec_other", time.Now(), body)),
		in.request(body, "whsec_hidden_a"),
		in.request(`{"id":"someone@example.org\n","type":"a"}`, sign("whsec_hidden_a", time.Now(), `{"id":"someone@example.org\n","type":"a"}`)),
	} {
		in.do(request)
	}
	s.Stop()
	body = sample("evt_2")
	if got := in.do(in.request(body, sign("whsec_hidden_b", time.Now(), body))); got.Status != http.StatusServiceUnavailable {
		t.Errorf("without NATS: %d %s", got.Status, got.text)
	}
	if err := in.stop(); err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{"whsec_hidden", "hidden-password", "someone@example.org", "customer_email", "cs_test_1"} {
		if text := in.log.String(); strings.Contains(text, private) {
			t.Errorf("the log holds %q:\n%s", private, text)
		}
	}
}

func TestAMistypedNATSAddressIsNotRepeated(t *testing.T) {
	t.Parallel()
	var set Settings
	if err := settings.Load(&set, settings.Source{Env: testEnv("nats://ingester:hid#den@127.0.0.1:4222", nil)}); err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	err := Run(t.Context(), Options{Settings: set, Log: log.logger(t), Registry: prometheus.NewRegistry()})
	if err == nil || strings.Contains(err.Error(), "hid") || !strings.Contains(err.Error(), "NATS_URL") {
		t.Errorf("Run = %v", err)
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

func TestALeastPrivilegedUserIsEnough(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "a"},
			{Username: "ingester", Password: "i", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: []string{"stripe.events.>"}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_ingester.>"}},
			}},
		}
	}})
	_, js := dial(t, withUser(s.URL(), "admin", "a"))
	makeStreams(t, js, wideStream())
	in := start(t, withUser(s.URL(), "ingester", "i"), nil)
	in.awaitReady()
	done := make(chan reply)
	const posts = 100
	for i := range posts {
		go func() { done <- in.post(sample(fmt.Sprintf("evt_%d", i))) }()
	}
	for range posts {
		if got := <-done; got.Status != http.StatusOK {
			t.Errorf("%d %s", got.Status, got.text)
		}
	}
	if n := len(storedEvents(t, js)); n != posts {
		t.Errorf("%d events stored, want %d: a readiness check stores none", n, posts)
	}
	if text := in.log.String(); strings.Contains(text, "NATS reported an error") {
		t.Errorf("a permission was missing:\n%s", text)
	}
}

func TestAUserWhoMayNotPublishIsAnswered503AndNamed(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "a"},
			{Username: "ingester", Password: "i", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{">"}}}},
		}
	}})
	_, js := dial(t, withUser(s.URL(), "admin", "a"))
	makeStreams(t, js, wideStream())
	in := start(t, withUser(s.URL(), "ingester", "i"), env{"PUBLISH_TIMEOUT": "300ms"})
	got := in.post(sample("evt_1"))
	if got.Status != http.StatusServiceUnavailable || outcome(got.Error.Code) != storeTimeout || got.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.Status, got.text)
	}
	if text := in.log.String(); !strings.Contains(text, "Permissions Violation") {
		t.Errorf("the log does not name the permission:\n%s", text)
	}
	if ok, text := in.ready(); ok || !strings.Contains(text, "may not publish") {
		t.Errorf("ready: %t\n%s", ok, text)
	}
}

func TestARefusedPasswordEndsTheIngester(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) {
		o.Users = []*server.User{{Username: "ingester", Password: "right"}}
	}})
	var set Settings
	if err := settings.Load(&set, settings.Source{Env: testEnv(withUser(s.URL(), "ingester", "wrong"), nil)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	log := &logBuffer{}
	err := Run(ctx, Options{Settings: set, Log: log.logger(t), Registry: prometheus.NewRegistry()})
	if err == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) || !strings.Contains(err.Error(), "Authorization") {
		t.Errorf("Run = %v", err)
	}
}
