package ingest

import (
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
	"github.com/educareschool/guichet/pkg/tracing"
)

// Path is where webhooks are received.
const Path = "/stripe/webhooks"

// handler takes a webhook through its steps: limit the body, verify the signature, read the envelope, store, answer.
type handler struct {
	verifier    verifier
	development bool // no secret: nothing is verified, and live-mode events are refused
	maxBody     int64
	intake      intake
	publisher   *publisher
	tracer      stream.Tracer
	spans       *tracing.Tracer // nil while traces are off
	answers     map[outcome]terms
	log         *zap.Logger
	metrics     *metrics
}

// ServeHTTP answers 200 only when the event is on disk.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	span := h.startSpan(r)
	defer span.End()
	e, done, bad := h.read(w, r)
	defer done()
	if bad != nil {
		h.logRefused(bad)
		h.refuse(w, bad, span)
		return
	}
	o, bad := h.store(r, e, span)
	if bad != nil {
		h.refuse(w, bad, span)
		return
	}
	h.count(o, span)
	h.metrics.last.SetToCurrentTime()
	accept(w, e.ID, o)
}

func (h *handler) refuse(w http.ResponseWriter, bad *refusal, span tracing.Span) {
	h.count(bad.outcome, span)
	bad.write(w, h.answers[bad.outcome])
}

func (h *handler) count(o outcome, span tracing.Span) {
	h.metrics.requests[o].Inc()
	endSpan(span, o, h.answers[o].status)
}

// read returns the event that a request carries, or why it is none of Stripe's. Done is to be called when the
// request is answered.
func (h *handler) read(w http.ResponseWriter, r *http.Request) (e stream.Event, done func(), bad *refusal) {
	switch {
	case r.URL.Path != Path:
		return e, func() {}, refuse(notFound, "")
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return e, func() {}, refuse(wrongMethod, "")
	}
	body, done, bad := h.readBody(w, r)
	if bad == nil {
		e, bad = h.event(r, body)
	}
	return e, done, bad
}

// event returns what a body says, if Stripe has signed it.
func (h *handler) event(r *http.Request, body []byte) (stream.Event, *refusal) {
	if bad := h.verify(r, body); bad != nil {
		return stream.Event{}, bad
	}
	envelope, err := stripeevent.ReadEnvelope(body)
	if err != nil {
		return stream.Event{}, refuse(invalidEvent, sentence(err))
	}
	if h.development && envelope.Livemode {
		return stream.Event{}, refuse(liveRefused, "")
	}
	return stream.Event{
		Envelope: envelope, Body: body, ReceivedAt: time.Now().UTC().Format(stream.TimeFormat),
		Traceparent: h.tracer.Traceparent(r.Header.Get(stream.HeaderTraceparent)),
	}, nil
}

func (h *handler) verify(r *http.Request, body []byte) *refusal {
	if h.development {
		return nil
	}
	started := time.Now()
	secret, bad := h.verifier.verify(started, strings.Join(r.Header.Values(signatureHeader), ","), body)
	h.metrics.verify.Observe(time.Since(started).Seconds())
	if bad == nil {
		h.metrics.verified[secret].Inc()
	}
	return bad
}

// store puts the event on disk and writes the one line about it.
func (h *handler) store(r *http.Request, e stream.Event, request tracing.Span) (outcome, *refusal) {
	publish := h.startPublish(request, &e)
	defer publish.End()
	started := time.Now()
	known, err := h.publisher.store(r.Context(), e)
	took := time.Since(started)
	h.metrics.publish.Observe(took.Seconds())

	o := stored
	switch {
	case err != nil:
		o = failureOutcome(err)
	case known:
		o = duplicate
	}
	h.log.Info("🔔 Received Stripe event: "+e.Type,
		zap.String(logging.EventID, e.ID), zap.String(logging.EventType, e.Type),
		zap.Bool("stored", err == nil), zap.Bool("duplicate", known),
		zap.Duration(logging.Duration, took), zap.String("traceparent", e.Traceparent))
	if err != nil {
		publish.Fail(string(o))
		h.log.Error("Stripe event not stored, Stripe is told to send it again",
			zap.String(logging.EventID, e.ID), zap.String("reason", string(o)), zap.Error(err))
		return o, refuse(o, "")
	}
	return o, nil
}

func (h *handler) logRefused(bad *refusal) {
	reason := zap.String("reason", string(bad.outcome))
	switch bad.outcome {
	case notFound, wrongMethod: // scanners
		h.log.Debug("Request refused", reason)
	case signatureMissing, signatureMalformed, signatureOld, signatureFuture, signatureWrong:
		h.log.Warn("⚠️  Webhook signature verification failed", reason, zap.String("detail", bad.detail))
	default:
		h.log.Warn("Webhook refused", reason, zap.String("detail", bad.detail))
	}
}

// sentence turns an error's text into one.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
