package worker

import (
	"time"

	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/tracing"
)

// startSpan begins the span of an event's processing, below the one that its message names. It lasts until
// the event is answered, so it holds the wait for the batches before and after it.
func (w *worker) startSpan(m *message) {
	if !w.tracer.On() {
		return
	}
	m.span = w.tracer.Start(tracing.Consumer, "process "+stream.Events, m.Headers().Get(stream.HeaderTraceparent))
	m.span.Set("messaging.system", "nats")
	m.span.Set("messaging.destination.name", stream.Events)
	m.span.Set("messaging.message.id", m.Headers().Get(stream.HeaderMsgID))
	m.span.Set("stripe.event.type", m.Headers().Get(stream.HeaderEventType))
	m.span.SetInt("guichet.deliveries", int(min(m.deliveries, 1<<20))) // #nosec G115 -- bounded
}

// endSpan ends it with the verdict on the event.
func (m *message) endSpan(v verdict) {
	m.span.Set("guichet.verdict", string(v))
	if v != ack {
		m.span.Fail(string(v))
	}
	m.span.End()
}

// startBatch begins the span of a transaction, which refers to the spans of its events.
func (w *worker) startBatch(batch []*message, at time.Time) tracing.Span {
	if !w.tracer.On() {
		return tracing.Span{}
	}
	events := make([]tracing.Span, len(batch))
	for i, m := range batch {
		events[i] = m.span
	}
	span := w.tracer.StartLinked("settle batch", events, at)
	span.SetInt("messaging.batch.message_count", len(batch))
	return span
}

// endBatch ends it. The transaction that settled them is shown in each event's own trace, too.
func (w *worker) endBatch(span tracing.Span, batch []*message, v verdict, began time.Time) {
	if !w.tracer.On() {
		return
	}
	now := time.Now()
	span.Set("guichet.verdict", string(v))
	if v != ack {
		span.Fail(string(v))
	}
	span.EndAt(now)
	if v != ack {
		return
	}
	for _, m := range batch {
		settle := w.tracer.Below(m.span, tracing.Internal, "settle", began)
		settle.SetInt("messaging.batch.message_count", len(batch))
		settle.EndAt(now)
	}
}

// startMail begins the span of sending a mail, in the trace of the event that it tells of.
func (o *outbox) startMail(n store.Notification) tracing.Span {
	if !o.tracer.On() {
		return tracing.Span{}
	}
	span := o.tracer.Start(tracing.Client, "send mail", n.Traceparent)
	span.Set("guichet.mail.kind", string(n.Kind))
	span.Set("guichet.registration.id", n.RegistrationID)
	span.SetInt("guichet.mail.attempt", n.Attempts)
	return span
}

// endMail ends it. The failure itself is in the log, where no address is repeated.
func endMail(span tracing.Span, status store.MailStatus) {
	span.Set("guichet.mail.result", string(status))
	if status != store.MailSent {
		span.Fail(string(status))
	}
	span.End()
}
