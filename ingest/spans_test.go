package ingest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/tracing/tracetest"
)

func TestAWebhooksTraceGoesFromTheProxyIntoTheStream(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	collector := tracetest.Start(t)
	in := start(t, natsURL, env{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL})
	const body = `{"id":"evt_1","object":"event","type":"charge.refunded","created":1700000000,"livemode":false}`
	r := in.request(body, sign(testSecret, time.Now(), body))
	r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if a := in.do(r); a.Status != http.StatusOK {
		t.Fatalf("answered %d %s", a.Status, a.text)
	}
	forged := in.request(body, sign("whsec_other", time.Now(), body))
	forged.Header.Set("traceparent", "nonsense")
	if a := in.do(forged); a.Status != http.StatusBadRequest {
		t.Fatalf("answered %d %s", a.Status, a.text)
	}
	if err := in.stop(); err != nil { // which sends what is left
		t.Fatal(err)
	}

	requests, publishes := collector.Named("POST /stripe/webhooks"), collector.Named("publish STRIPE_EVENTS")
	if len(requests) != 2 || len(publishes) != 1 {
		t.Fatalf("spans: %+v", collector.Spans())
	}
	good, bad, publish := requests[0], requests[1], publishes[0]
	if good.Service != "guichet-ingester" || good.Trace != "0af7651916cd43dd8448eb211c80319c" || good.Parent != "b7ad6b7169203331" || good.Kind != "SPAN_KIND_SERVER" ||
		good.Attributes["guichet.outcome"] != "stored" || good.Attributes["http.response.status_code"] != "200" || good.Attributes["stripe.event.id"] != "evt_1" {
		t.Errorf("the request is %+v", good)
	}
	if publish.Trace != good.Trace || publish.Parent != good.ID || publish.Kind != "SPAN_KIND_PRODUCER" || publish.Failed {
		t.Errorf("the publish is %+v", publish)
	}
	if bad.Parent != "" || bad.Attributes["guichet.outcome"] != "signature_wrong" || bad.Failed {
		t.Errorf("the forged request is %+v", bad)
	}
	if got, want := storedEvents(t, js)[0].Header.Get(stream.HeaderTraceparent), "00-"+publish.Trace+"-"+publish.ID+"-01"; got != want {
		t.Errorf("the stream says %s, want %s", got, want)
	}
}

func TestATraceShowsThatAnEventWasNotStored(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	collector := tracetest.Start(t)
	in := start(t, strings.Replace(natsURL, "127.0.0.1", "127.0.0.2", 1), env{ // nobody listens there
		"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "PUBLISH_TIMEOUT": "200ms",
	})
	const body = `{"id":"evt_1","object":"event","type":"charge.refunded","created":1700000000,"livemode":false}`
	if a := in.post(body); a.Status != http.StatusServiceUnavailable {
		t.Fatalf("answered %d %s", a.Status, a.text)
	}
	if err := in.stop(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"POST /stripe/webhooks", "publish STRIPE_EVENTS"} {
		if s := collector.Named(name); len(s) != 1 || !s[0].Failed {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// While traces are off, what is called for them does nothing at all.
func TestWithoutTracesARequestCostsNoAllocationForThem(t *testing.T) {
	h := &handler{answers: answerTerms()}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := stream.Event{Traceparent: "as it came"}
	if n := testing.AllocsPerRun(100, func() {
		span := h.startSpan(r)
		h.startPublish(span, &e).End()
		endSpan(span, stored, http.StatusOK)
		span.End()
	}); n != 0 || e.Traceparent != "as it came" {
		t.Errorf("%v allocations, %q", n, e.Traceparent)
	}
}
