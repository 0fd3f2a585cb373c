package ingest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/settings"
)

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
	err := settings.Load(&set, settings.Source{Env: testEnv("nats://ingester:hid#den@127.0.0.1:4222", nil)})
	if err == nil || strings.Contains(err.Error(), "hid") || !strings.Contains(err.Error(), "NATS_URL") {
		t.Errorf("Load = %v", err)
	}
}
