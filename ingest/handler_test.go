package ingest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/stream"
)

func TestAVerifiedEventIsStoredByteForByteAndAnswered(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	body := sample("evt_1")
	before := time.Now().Add(-time.Millisecond)
	request := in.request(body, sign(testSecret, time.Now(), body))
	request.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	got := in.do(request)
	if got.Status != http.StatusOK || strings.TrimSpace(got.text) != `{"received":true,"id":"evt_1","duplicate":false}` {
		t.Errorf("answer = %d %s", got.Status, got.text)
	}
	if kind := got.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type = %q", kind)
	}
	all := storedEvents(t, js)
	if len(all) != 1 {
		t.Fatalf("%d events stored, want 1", len(all))
	}
	m := all[0]
	if string(m.Data) != body {
		t.Errorf("stored %q\nposted %q", m.Data, body)
	}
	if m.Subject != "stripe.events.checkout.session.completed" {
		t.Errorf("subject = %q", m.Subject)
	}
	received, err := time.Parse(stream.TimeFormat, m.Header.Get(stream.HeaderReceivedAt))
	if err != nil || received.Before(before) || received.After(time.Now()) {
		t.Errorf("Received-At = %q: %v", m.Header.Get(stream.HeaderReceivedAt), err)
	}
	m.Header.Del(stream.HeaderReceivedAt)
	want := map[string]string{
		"Nats-Msg-Id": "evt_1", "Stripe-Event-Id": "evt_1", "Stripe-Event-Type": "checkout.session.completed",
		"Stripe-Event-Created": "1700000000", "Stripe-Api-Version": "2023-10-16", "Stripe-Livemode": "false",
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	for name, value := range want {
		if values := m.Header[name]; len(values) != 1 || values[0] != value {
			t.Errorf("header %s = %q, want %q", name, values, value)
		}
	}
	for name := range m.Header {
		if _, wanted := want[name]; !wanted && !strings.HasPrefix(name, "Nats-") { // those are of reading it
			t.Errorf("header %s is too many", name)
		}
	}
}

func TestEventsOfEveryGenuineKindAreStored(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	for name, body := range map[string]string{
		"thin":        `{"id":"evt_thin","object":"v2.core.event","type":"v1.billing.meter.no_meter_found","created":"2024-09-17T06:20:52.246Z","livemode":true}`,
		"Connect":     `{"id":"evt_connect","type":"charge.refunded","account":"acct_unexpected","api_version":"2023-10-16","created":1,"livemode":true}`,
		"old version": `{"id":"evt_old","type":"charge.refunded","api_version":"2015-10-16","created":1,"livemode":true}`,
		"odd type":    `{"id":"evt_odd","type":"some > odd * type..x","livemode":false}`,
	} {
		if got := in.post(body); got.Status != http.StatusOK {
			t.Errorf("%s: %d %s", name, got.Status, got.text)
		}
	}
	headers := map[string][2]string{}
	for _, m := range storedEvents(t, js) {
		headers[m.Header.Get(stream.HeaderEventID)] = [2]string{m.Header.Get(stream.HeaderCreated), m.Header.Get(stream.HeaderAccount)}
	}
	want := map[string][2]string{"evt_thin": {"2024-09-17T06:20:52.246Z", ""}, "evt_connect": {"1", "acct_unexpected"}, "evt_old": {"1", ""}, "evt_odd": {"", ""}}
	for id, fields := range want {
		if headers[id] != fields {
			t.Errorf("%s: created and account are %q, want %q", id, headers[id], fields)
		}
	}
}

func TestADuplicateIsAnsweredAsOneAndStoredOnce(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	first, second := start(t, natsURL, nil), start(t, natsURL, nil)
	body := sample("evt_1")
	if got := first.post(body); got.Status != http.StatusOK || got.Duplicate {
		t.Fatalf("first: %d %s", got.Status, got.text)
	}
	for name, in := range map[string]*ingester{"known from memory": first, "known to JetStream only": second} {
		if got := in.post(body); got.Status != http.StatusOK || !got.Duplicate || got.ID != "evt_1" {
			t.Errorf("%s: %d %s", name, got.Status, got.text)
		}
	}
	if n := len(storedEvents(t, js)); n != 1 {
		t.Errorf("%d events stored, want 1", n)
	}
}

func TestEveryRefusalIsAnsweredClearlyAndStoresNothing(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, env{"MAX_BODY_BYTES": "2000"})
	body, now := sample("evt_1"), time.Now()
	good := sign(testSecret, now, body)
	signed := func(body string) *http.Request { return in.request(body, sign(testSecret, now, body)) }
	change := func(r *http.Request, how func(*http.Request)) *http.Request { how(r); return r }
	const failed = "⚠️  Webhook signature verification failed"
	tests := []struct {
		name    string
		request *http.Request
		status  int
		code    outcome
		says    string
		logged  string
	}{
		{"no signature", in.request(body, ""), 400, signatureMissing, "no Stripe-Signature", failed},
		{"malformed signature", in.request(body, "nonsense"), 400, signatureMalformed, "malformed", failed},
		{"old signature", in.request(body, sign(testSecret, now.Add(-time.Hour), body)), 400, signatureOld, "seconds ago; the limit is 300", failed},
		{"future signature", in.request(body, sign(testSecret, now.Add(time.Hour), body)), 400, signatureFuture, "ahead of this server's clock", failed},
		{"wrong signature", in.request(body, sign("whsec_other", now, body)), 400, signatureWrong, "does not match", failed},
		{"flipped byte", in.request(strings.Replace(body, "evt_1", "evt_2", 1), good), 400, signatureWrong, "does not match", failed},
		{"two signature headers", change(in.request(body, good), func(r *http.Request) { r.Header.Add("Stripe-Signature", good) }), 400, signatureMalformed, "2 times t", failed},
		{"not JSON", signed("hello"), 400, invalidEvent, "not a JSON object", "Webhook refused"},
		{"no id", signed(`{"type":"a"}`), 400, invalidEvent, "no id or no type", "Webhook refused"},
		{"no type", signed(`{"id":"evt_1"}`), 400, invalidEvent, "no id or no type", "Webhook refused"},
		{"header injection", signed(`{"id":"evt_1\r\nNats-Rollup: all","type":"a"}`), 400, invalidEvent, "not printable", "Webhook refused"},
		{"too large", signed(strings.Repeat(" ", 2001)), 413, bodyTooLarge, "MAX_BODY_BYTES", "Webhook refused"},
		{"too large, of unknown length", change(signed(strings.Repeat(" ", 2001)), func(r *http.Request) { r.ContentLength = -1 }), 413, bodyTooLarge, "MAX_BODY_BYTES", "Webhook refused"},
		{"GET", change(signed(body), func(r *http.Request) { r.Method = http.MethodGet }), 405, wrongMethod, "Only POST", "Request refused"},
		{"PUT", change(signed(body), func(r *http.Request) { r.Method = http.MethodPut }), 405, wrongMethod, "Only POST", "Request refused"},
		{"another path", change(signed(body), func(r *http.Request) { r.URL.Path = "/" }), 404, notFound, "POST /stripe/webhooks", "Request refused"},
		{"a path below", change(signed(body), func(r *http.Request) { r.URL.Path += "/" }), 404, notFound, "POST /stripe/webhooks", "Request refused"},
		{"the metrics", change(signed(body), func(r *http.Request) { r.URL.Path, r.Method = "/metrics", http.MethodGet }), 404, notFound, "POST /stripe/webhooks", "Request refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, counted := countReason(t, in, tt.logged, tt.code), metric(t, in.registry, "guichet_ingest_requests_total", string(tt.code))
			got := in.do(tt.request)
			if got.Status != tt.status || outcome(got.Error.Code) != tt.code || !strings.Contains(got.Error.Message, tt.says) {
				t.Errorf("answer = %d %s, want %d %s saying %q", got.Status, got.text, tt.status, tt.code, tt.says)
			}
			if tt.status == http.StatusMethodNotAllowed && got.Header.Get("Allow") != "POST" {
				t.Errorf("Allow = %q", got.Header.Get("Allow"))
			}
			if n := countReason(t, in, tt.logged, tt.code) - before; n != 1 {
				t.Errorf("%q was logged %d times with reason %s, want once", tt.logged, n, tt.code)
			}
			if n := metric(t, in.registry, "guichet_ingest_requests_total", string(tt.code)) - counted; n != 1 {
				t.Errorf("counted %d times as %s, want once", n, tt.code)
			}
		})
	}
	if n := len(storedEvents(t, js)); n != 0 {
		t.Errorf("%d events stored, want none", n)
	}
}

func countReason(t *testing.T, in *ingester, message string, reason outcome) int {
	t.Helper()
	n := 0
	for _, line := range in.log.lines(t, message) {
		if line["reason"] == string(reason) {
			n++
		}
	}
	return n
}

func TestSecretsOfSeveralEndpointsAreAcceptedAndCounted(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	in := start(t, natsURL, env{"STRIPE_WEBHOOK_SECRET": "whsec_new, whsec_old\nwhsec_cli"})
	for i, secret := range []string{"whsec_new", "whsec_old", "whsec_cli"} {
		body := sample(fmt.Sprintf("evt_%d", i))
		if got := in.do(in.request(body, sign(secret, time.Now(), body))); got.Status != http.StatusOK {
			t.Errorf("%s: %d %s", secret, got.Status, got.text)
		}
		if n := metric(t, in.registry, "guichet_ingest_verified_total", fmt.Sprint(i+1)); n != 1 {
			t.Errorf("secret %d verified %d requests, want 1", i+1, n)
		}
	}
}

func TestThousandsOfConcurrentEventsAreEachStoredOnce(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	in := start(t, natsURL, nil)
	const posts, every = 2000, 10 // every tenth is the one before it again
	work := make(chan string)
	var posters sync.WaitGroup
	for range 64 {
		posters.Go(func() {
			for id := range work {
				if got := in.post(sample(id)); got.Status != http.StatusOK || got.ID != id {
					t.Errorf("%s: %d %s", id, got.Status, got.text)
				}
			}
		})
	}
	sent := map[string]bool{}
	for i := range posts {
		id := fmt.Sprintf("evt_%d", i-(i%every)/(every-1))
		sent[id] = true
		work <- id
	}
	close(work)
	posters.Wait()
	all := storedEvents(t, js)
	for id, n := range eventIDs(all) {
		if n != 1 || !sent[id] {
			t.Errorf("%s is stored %d times", id, n)
		}
	}
	if len(all) != len(sent) || len(sent) != posts*(every-1)/every {
		t.Errorf("%d events stored, %d sent", len(all), len(sent))
	}
	answered := metric(t, in.registry, "guichet_ingest_requests_total", string(stored)) + metric(t, in.registry, "guichet_ingest_requests_total", string(duplicate))
	if answered != posts {
		t.Errorf("%d requests counted as stored or duplicate, want %d", answered, posts)
	}
}

func TestEveryOutcomeHasAnAnswerAndACounterAtZero(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	in := start(t, natsURL, nil)
	for o, terms := range answerTerms() {
		if terms.status == 0 || terms.status != http.StatusOK && terms.message == "" || (terms.status == http.StatusServiceUnavailable) != (terms.retry > 0) {
			t.Errorf("%s: %+v", o, terms)
		}
	}
	page := in.metricsPage(t.Context())
	for o, terms := range answerTerms() {
		if !strings.Contains(page, fmt.Sprintf("guichet_ingest_requests_total{outcome=%q,status=\"%d\"} 0\n", o, terms.status)) {
			t.Errorf("no counter for %s", o)
		}
	}
	for _, line := range []string{
		`guichet_ingest_verified_total{secret="1"} 0`, `guichet_ingest_batches_total{way="single"} 0`, `guichet_ingest_batches_total{way="atomic"} 0`,
		`guichet_ingest_batches_total{way="fallback"} 0`, `guichet_ingest_verify_seconds_count 0`, `guichet_ingest_publish_seconds_count 0`, `guichet_ingest_batch_events_count 0`,
		`guichet_ingest_last_event_timestamp_seconds 0`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}

func (in *ingester) metricsPage(ctx context.Context) string {
	in.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, in.admin+"/metrics", nil)
	if err != nil {
		in.t.Fatal(err)
	}
	res, err := in.client.Do(r)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return string(page)
}
