package tracing

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Kind is what a span is to its neighbours.
type Kind = trace.SpanKind

// The kinds.
const (
	Server   = trace.SpanKindServer
	Producer = trace.SpanKindProducer
	Consumer = trace.SpanKindConsumer
	Client   = trace.SpanKindClient
	Internal = trace.SpanKindInternal
)

// Span is a piece of work that is being recorded; the zero value records nothing. It never holds an address, a
// name or a secret.
type Span struct{ span trace.Span }

// On says whether spans are recorded: what is dear to make need not be made where they are not.
func (t *Tracer) On() bool { return t != nil }

// Start begins a span below the one that a traceparent names, or a trace of its own where that is none.
func (t *Tracer) Start(kind Kind, name, traceparent string) Span {
	if t == nil {
		return Span{}
	}
	return t.start(kind, name, named(traceparent), time.Now())
}

// Below begins a span that is part of another, as of a time.
func (t *Tracer) Below(parent Span, kind Kind, name string, at time.Time) Span {
	if t == nil || parent.span == nil {
		return Span{}
	}
	return t.start(kind, name, parent.span.SpanContext(), at)
}

// StartLinked begins a trace of its own that refers to other spans.
func (t *Tracer) StartLinked(name string, others []Span, at time.Time) Span {
	if t == nil {
		return Span{}
	}
	links := make([]trace.Link, 0, len(others))
	for _, other := range others {
		if other.span != nil {
			links = append(links, trace.Link{SpanContext: other.span.SpanContext()})
		}
	}
	return t.start(Internal, name, trace.SpanContext{}, at, trace.WithLinks(links...))
}

func (t *Tracer) start(kind Kind, name string, parent trace.SpanContext, at time.Time, more ...trace.SpanStartOption) Span {
	ctx := trace.ContextWithSpanContext(t.root, parent)
	_, span := t.tracer.Start(ctx, name, append(more, trace.WithSpanKind(kind), trace.WithTimestamp(at))...)
	return Span{span}
}

// named is the span that a traceparent names, of the form 00-<trace>-<span>-<flags>; none where it is not valid.
func named(traceparent string) trace.SpanContext {
	if len(traceparent) != 55 || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-' {
		return trace.SpanContext{}
	}
	id, err := trace.TraceIDFromHex(traceparent[3:35])
	if err != nil {
		return trace.SpanContext{}
	}
	span, err := trace.SpanIDFromHex(traceparent[36:52])
	if err != nil {
		return trace.SpanContext{}
	}
	flags, err := strconv.ParseUint(traceparent[53:], 16, 8)
	if err != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags) & trace.FlagsSampled, Remote: true,
	})
}

// Traceparent names the span to whoever goes on with its work, as W3C Trace Context has it; empty where
// nothing is recorded.
func (s Span) Traceparent() string {
	if s.span == nil {
		return ""
	}
	c := s.span.SpanContext()
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + (c.TraceFlags() & trace.FlagsSampled).String()
}

// Sampled says whether the span will be sent.
func (s Span) Sampled() bool { return s.span != nil && s.span.SpanContext().IsSampled() }

// Set notes something about the work, unless it is empty.
func (s Span) Set(key, value string) {
	if s.span != nil && value != "" {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// SetInt notes a number.
func (s Span) SetInt(key string, value int) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int(key, value))
	}
}

// Fail marks the work as failed, for a reason that repeats nothing of what was worked on.
func (s Span) Fail(reason string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, reason)
	}
}

// End is when the work is over.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// EndAt ends a span that was over at a time.
func (s Span) EndAt(at time.Time) {
	if s.span != nil {
		s.span.End(trace.WithTimestamp(at))
	}
}
