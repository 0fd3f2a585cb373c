package ingest

import (
	"net/http"
	"time"

	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/tracing"
)

// startSpan begins the trace of a webhook, or goes on with that of the proxy before us.
func (h *handler) startSpan(r *http.Request) tracing.Span {
	if !h.spans.On() || r.URL.Path != Path || r.Method != http.MethodPost {
		return tracing.Span{}
	}
	before := r.Header.Get(stream.HeaderTraceparent)
	if !h.tracer.Valid(before) {
		before = ""
	}
	span := h.spans.Start(tracing.Server, http.MethodPost+" "+Path, before)
	span.Set("http.request.method", http.MethodPost)
	span.Set("http.route", Path)
	return span
}

// startPublish begins the span of the way into the stream, which the event carries on.
func (h *handler) startPublish(request tracing.Span, e *stream.Event) tracing.Span {
	if !h.spans.On() {
		return tracing.Span{}
	}
	request.Set("stripe.event.id", e.ID)
	request.Set("stripe.event.type", e.Type)
	publish := h.spans.Below(request, tracing.Producer, "publish "+stream.Events, time.Now())
	publish.Set("messaging.system", "nats")
	publish.Set("messaging.destination.name", stream.Events)
	publish.Set("messaging.message.id", e.ID)
	e.Traceparent = publish.Traceparent()
	return publish
}

// endSpan notes how a request was answered.
func endSpan(span tracing.Span, o outcome, status int) {
	span.Set("guichet.outcome", string(o))
	span.SetInt("http.response.status_code", status)
	if status >= http.StatusInternalServerError {
		span.Fail(string(o))
	}
}
