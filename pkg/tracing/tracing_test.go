package tracing_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/tracing"
	"github.com/educareschool/guichet/pkg/tracing/tracetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const before = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func newTracer(t *testing.T, endpoint string, log *zap.Logger) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(t.Context(), tracing.Settings{Endpoint: endpoint}, "thing", log)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func TestATraceGoesOnFromOneProgramToTheNext(t *testing.T) {
	t.Parallel()
	c := tracetest.Start(t)
	first, second := newTracer(t, c.URL, zap.NewNop()), newTracer(t, c.URL+"/", zap.NewNop())
	request := first.Start(tracing.Server, "request", before)
	part := first.Below(request, tracing.Producer, "part", time.Now())
	work := second.Start(tracing.Consumer, "work", part.Traceparent())
	batch := second.StartLinked("batch", []tracing.Span{work, {}}, time.Now())
	work.Set("what", "a thing")
	work.SetInt("count", 3)
	work.Fail("broken")
	began := time.Now().Add(-time.Minute)
	late := second.Below(work, tracing.Internal, "late", began)
	late.EndAt(began.Add(time.Second))
	for _, s := range []tracing.Span{batch, work, part, request} {
		if !s.Sampled() {
			t.Error("it is not sampled")
		}
		s.End()
	}
	first.Close(t.Context())
	second.Close(t.Context())

	spans := map[string]tracetest.Span{}
	for _, s := range c.Spans() {
		spans[s.Name] = s
	}
	if len(spans) != 5 {
		t.Fatalf("%d spans came: %v", len(spans), spans)
	}
	for name, parent := range map[string]string{"request": "b7ad6b7169203331", "part": spans["request"].ID, "work": spans["part"].ID, "late": spans["work"].ID} {
		if s := spans[name]; s.Trace != "0af7651916cd43dd8448eb211c80319c" || s.Parent != parent || s.Service != "thing" {
			t.Errorf("%s is %+v, want it below %s", name, s, parent)
		}
	}
	if s := spans["batch"]; s.Trace == spans["work"].Trace || s.Parent != "" || len(s.Links) != 1 || s.Links[0] != spans["work"].ID {
		t.Errorf("the batch is %+v", s)
	}
	if s := spans["work"]; !s.Failed || s.Attributes["what"] != "a thing" || s.Attributes["count"] != "3" || s.Kind != "SPAN_KIND_CONSUMER" {
		t.Errorf("the work is %+v", s)
	}
	if s := spans["late"]; s.End.Sub(s.Start) != time.Second {
		t.Errorf("it lasted %s", s.End.Sub(s.Start))
	}
}

func TestASpanWithoutAUsableTraceparentBeginsATrace(t *testing.T) {
	t.Parallel()
	c := tracetest.Start(t)
	tracer := newTracer(t, c.URL, zap.NewNop())
	for _, traceparent := range []string{"", "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
		strings.Replace(before, "b7ad", "B7-d", 1), strings.TrimSuffix(before, "01") + "zz", before + "-more", strings.ReplaceAll(before, "-", "_")} {
		tracer.Start(tracing.Internal, "first", traceparent).End()
	}
	tracer.Close(t.Context())
	first := c.Named("first")
	if len(first) != 7 {
		t.Errorf("%d spans came", len(first))
	}
	for _, s := range first {
		if s.Parent != "" || s.Trace == "" {
			t.Errorf("%+v", s)
		}
	}
}

func TestWhatTheCallerDoesNotSampleIsNotSentAndTellsTheNext(t *testing.T) {
	t.Parallel()
	c := tracetest.Start(t)
	tracer := newTracer(t, c.URL, zap.NewNop())
	s := tracer.Start(tracing.Internal, "quiet", strings.TrimSuffix(before, "01")+"00")
	if next := s.Traceparent(); s.Sampled() || !strings.HasPrefix(next, before[:35]) || !strings.HasSuffix(next, "-00") {
		t.Errorf("sampled %v, and the next is told %s", s.Sampled(), next)
	}
	s.End()
	tracer.Close(t.Context())
	if spans := c.Spans(); len(spans) != 0 {
		t.Errorf("sent: %+v", spans)
	}
}

func TestWithoutAnEndpointNothingIsRecordedOrAllocated(t *testing.T) {
	tracer := newTracer(t, "", zap.NewNop())
	if tracer.On() {
		t.Fatal("it is on")
	}
	if n := testing.AllocsPerRun(100, func() {
		s := tracer.Start(tracing.Server, "request", before)
		s.Set("key", "value")
		s.SetInt("key", 1)
		p := tracer.Below(s, tracing.Producer, "part", time.Time{})
		b := tracer.StartLinked("batch", nil, time.Time{})
		if p.Traceparent() != "" || p.Sampled() {
			t.Error("it has a traceparent")
		}
		s.Fail("reason")
		b.EndAt(time.Time{})
		p.End()
		s.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	tracer.Close(t.Context())
}

func TestACollectorThatIsAwayIsLoggedOnceAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	log, err := logging.New(&text, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	c := tracetest.Start(t)
	c.Refuse(true)
	tracer := newTracer(t, strings.Replace(c.URL, "http://", "http://user:whsec_secret@", 1), log)
	for range 3 {
		tracer.Start(tracing.Internal, "lost", "").End()
		tracer.Flush(t.Context())
	}
	c.Refuse(false)
	tracer.Start(tracing.Internal, "kept", "").End()
	tracer.Flush(t.Context())
	tracer.Close(t.Context())
	if n := strings.Count(text.String(), "Traces cannot be sent"); n != 1 || strings.Count(text.String(), "Traces are sent again") != 1 {
		t.Errorf("logged %d times:\n%s", n, &text)
	}
	if strings.Contains(text.String(), "whsec_secret") {
		t.Errorf("a secret is in the log:\n%s", &text)
	}
	if len(c.Named("lost")) != 0 || len(c.Named("kept")) != 1 {
		t.Errorf("came: %+v", c.Spans())
	}
}

func TestAnEndpointThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for endpoint, ok := range map[string]bool{
		"": true, "http://collector:4318": true, "https://otlp.example.org/base": true,
		"collector:4318": false, "grpc://collector:4317": false, "http://": false, "http://bad host": false,
	} {
		if err := (tracing.Settings{Endpoint: endpoint}).Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestClosingDoesNotWaitForACollectorThatHangs(t *testing.T) {
	t.Parallel()
	tracer := newTracer(t, "http://127.0.0.1:1", zap.NewNop())
	tracer.Start(tracing.Internal, "lost", "").End()
	began := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tracer.Close(ctx)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
