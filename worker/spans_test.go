package worker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/tracing/tracetest"
)

// publishTraced stores an event as an ingester does that records traces.
func (r *room) publishTraced(e simulate.Event, traceparent string) {
	r.t.Helper()
	m := nats.NewMsg(stream.Subject(e.Type))
	m.Data = e.Body
	for name, value := range map[string]string{
		stream.HeaderMsgID: e.ID, stream.HeaderEventID: e.ID, stream.HeaderEventType: e.Type,
		stream.HeaderReceivedAt: time.Now().UTC().Format(stream.TimeFormat), stream.HeaderTraceparent: traceparent,
	} {
		m.Header.Set(name, value)
	}
	if _, err := r.js.PublishMsg(r.t.Context(), m); err != nil {
		r.t.Fatal(err)
	}
}

func TestATraceGoesOnFromTheStreamToTheTransactionAndTheMail(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	collector := tracetest.Start(t)
	r.settings.Tracing.Endpoint = collector.URL
	r.register("reg-1", "reg-2")
	trace := func(n int) string { return fmt.Sprintf("0af7651916cd43dd8448eb211c80319%d", n) }
	events := []simulate.Event{
		r.stripe.Payment("reg-1").Completed(), r.stripe.Payment("reg-2").Completed(),
		{ID: "evt_poison", Type: "checkout.session.completed", Body: []byte(`{}`)},
	}
	for i, e := range events {
		r.publishTraced(e, "00-"+trace(i)+"-b7ad6b7169203331-01")
	}
	w := r.work()
	r.is("2", `SELECT count(*) FROM notifications WHERE status = 'sent'`)
	r.drained()
	w.stop() // which sends what is left

	for i := range 2 {
		var names []string
		byName := map[string]tracetest.Span{}
		for _, s := range collector.Spans() {
			if s.Trace == trace(i) {
				names = append(names, s.Name)
				byName[s.Name] = s
			}
		}
		slices.Sort(names)
		if want := []string{"process STRIPE_EVENTS", "send mail", "settle"}; !slices.Equal(names, want) {
			t.Fatalf("trace %d has %q, want %q", i, names, want)
		}
		process, settle, mail := byName["process STRIPE_EVENTS"], byName["settle"], byName["send mail"]
		if process.Parent != "b7ad6b7169203331" || process.Service != "guichet-worker" || process.Failed || process.Attributes["guichet.verdict"] != "ack" ||
			process.Attributes["guichet.registration.id"] != fmt.Sprintf("reg-%d", i+1) {
			t.Errorf("the event's span is %+v", process)
		}
		if settle.Parent != process.ID || settle.Start.Before(process.Start.Add(-time.Second)) || settle.End.After(process.End) {
			t.Errorf("the transaction's span is %+v, the event's %+v", settle, process)
		}
		if mail.Parent != process.ID || mail.Failed || mail.Attributes["guichet.mail.kind"] != "payment_confirmed" || mail.Attributes["guichet.mail.result"] != "sent" {
			t.Errorf("the mail's span is %+v", mail)
		}
		if !slices.ContainsFunc(collector.Named("settle batch"), func(batch tracetest.Span) bool {
			return slices.Contains(batch.Links, process.ID) && batch.Parent == "" && batch.Trace != process.Trace
		}) {
			t.Errorf("no batch refers to %s: %+v", process.ID, collector.Named("settle batch"))
		}
	}
	for _, s := range collector.Named("process STRIPE_EVENTS") {
		if s.Trace == trace(2) && (!s.Failed || s.Attributes["guichet.verdict"] != "dead_letter") {
			t.Errorf("the dead letter's span is %+v", s)
		}
	}
}

// While traces are off, what is called for them does nothing at all, and no traceparent is stored.
func TestWithoutTracesAnEventCostsNoAllocationForThem(t *testing.T) {
	w := &worker{}
	batch := []*message{{}, {}}
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		w.startSpan(batch[0])
		span := w.startBatch(batch, now)
		w.endBatch(span, batch, ack, now)
		batch[0].endSpan(ack)
	}); n != 0 || batch[0].event.Traceparent != "" {
		t.Errorf("%v allocations", n)
	}
}

func TestWithoutTracesNoTraceparentIsStored(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	r.publishTraced(r.stripe.Payment("reg-1").Completed(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.work()
	r.status("reg-1", "PAID")
	r.is("0", `SELECT count(traceparent) FROM stripe_events`)
}
