package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// testPublisher is a publisher whose lane the test starts, so that it decides what waits together.
type testPublisher struct {
	*publisher
	t        *testing.T
	registry *prometheus.Registry
}

func newTestPublisher(t *testing.T, natsURL string, timeout time.Duration) testPublisher {
	t.Helper()
	nc, err := stream.Connect(natsURL, "ingester", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	p, err := newPublisher(nc, timeout, zap.NewNop(), newMetrics(registry, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	p.crowdedUntil.Store(time.Now().Add(time.Hour).UnixNano()) // few requests queue as many do
	return testPublisher{p, t, registry}
}

func (p testPublisher) startLane() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.run(ctx)
	}()
	p.t.Cleanup(func() { cancel(); <-ended })
}

func testEvent(id string) stream.Event {
	return stream.Event{
		Envelope: stripeevent.Envelope{ID: id, Type: "charge.refunded"}, Body: []byte(sample(id)),
		ReceivedAt: "2024-01-01T00:00:00.000Z", Traceparent: "-",
	}
}

// queueUp puts evt_0 to evt_<n-1> into the queue.
func (p testPublisher) queueUp(n int) []*waiting {
	p.t.Helper()
	return p.queueUpAs("evt_", n)
}

// queueUpAs puts events into the queue whose ids are what they begin with and a number from 0.
func (p testPublisher) queueUpAs(begin string, n int) []*waiting {
	p.t.Helper()
	var all []*waiting
	for i := range n {
		w, shared, err := p.join(testEvent(fmt.Sprint(begin, i)))
		if w == nil || shared || err != nil {
			p.t.Fatalf("join %s%d: shared %t, %v", begin, i, shared, err)
		}
		all = append(all, w)
	}
	return all
}

// await returns how many of the events were duplicates; err is what all of them must have failed with.
func (p testPublisher) await(events []*waiting, want outcome) (duplicates int) {
	p.t.Helper()
	limit := time.After(patience)
	for _, w := range events {
		select {
		case <-w.done:
		case <-limit:
			p.t.Fatalf("%s is still waiting", w.event.ID)
		}
		got := stored
		if w.err != nil {
			got = failureOutcome(w.err)
		}
		if got != want {
			p.t.Errorf("%s: %s (%v), want %s", w.event.ID, got, w.err, want)
		}
		if w.duplicate {
			duplicates++
		}
	}
	return duplicates
}

func (p testPublisher) batches(w way) int {
	return metric(p.t, p.registry, "guichet_ingest_batches_total", string(w))
}

// checkStored wants evt_0 to evt_<n-1>, each once, with the bodies they came with.
func checkStored(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	all := storedEvents(t, js)
	ids := eventIDs(all)
	for i := range n {
		if id := fmt.Sprintf("evt_%d", i); ids[id] != 1 {
			t.Errorf("%s is stored %d times", id, ids[id])
		}
	}
	if len(all) != n {
		t.Errorf("%d events stored, want %d", len(all), n)
	}
	for _, m := range all {
		if string(m.Data) != sample(m.Header.Get(stream.HeaderEventID)) {
			t.Errorf("%s was stored as %q", m.Header.Get(stream.HeaderEventID), m.Data)
		}
	}
}

func TestRequestsWithTheSameIDShareOnePublish(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	p := newTestPublisher(t, natsURL, patience)
	first := p.queueUp(1)[0]
	second, shared, err := p.join(testEvent("evt_0"))
	if second != first || !shared || err != nil {
		t.Errorf("the second request does not share: %t, %v", shared, err)
	}
	p.startLane()
	p.await([]*waiting{first}, stored)
	if w, _, err := p.join(testEvent("evt_0")); w != nil || err != nil {
		t.Errorf("the third request waits: %v", err)
	}
	if dup, err := p.store(t.Context(), testEvent("evt_0")); !dup || err != nil {
		t.Errorf("store = %t, %v", dup, err)
	}
	checkStored(t, js, 1)
	if n := metric(t, p.registry, "guichet_ingest_batches_total", ""); n != 1 {
		t.Errorf("%d publishes, want 1", n)
	}
}

// An id that shared memory with the body that it was read from would keep the whole body.
func TestOfAStoredEventOnlyTheIDIsRemembered(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	p := newTestPublisher(t, natsURL, patience)
	p.startLane()
	e := testEvent("")
	e.Body = []byte(sample("evt_1"))
	var err error
	if e.Envelope, err = stripeevent.ReadEnvelope(e.Body); err != nil {
		t.Fatal(err)
	}
	if _, err := p.store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	clear(e.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.known.Keys(); len(known) != 1 || known[0] != "evt_1" {
		t.Errorf("remembered are %q", known)
	}
}

func TestFewRequestsPublishByThemselvesUnlessManyCameLately(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	p := newTestPublisher(t, natsURL, patience)
	p.crowdedUntil.Store(0)
	if dup, err := p.store(t.Context(), testEvent("evt_alone")); dup || err != nil { // no lane runs
		t.Errorf("store = %t, %v", dup, err)
	}
	events := p.queueUp(batchFrom)
	for i, w := range events {
		if few := i < batchFrom-1; w.direct != few {
			t.Errorf("with %d others in flight an event is published by its request: %t", i, w.direct)
		}
	}
	p.round(t.Context(), events[1:])
	if p.crowdedUntil.Load() != 0 {
		t.Error("fewer than make a batch are a crowd")
	}
	p.round(t.Context(), append(events[:1], p.queueUpAs("evt_more", batchFrom-1)...))
	if crowded := time.Until(time.Unix(0, p.crowdedUntil.Load())); crowded <= 0 || crowded > calmAfter {
		t.Errorf("after a batch few requests queue for %s", crowded)
	}
	if w, _, err := p.join(testEvent("evt_after")); err != nil || w.direct {
		t.Errorf("right after a batch a request publishes by itself: %v", err)
	}
	if n := len(storedEvents(t, js)); n != 2*batchFrom {
		t.Errorf("%d events are stored", n)
	}
}

func TestRequestsPublishByThemselvesWhereThatIsCheaper(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	p := newTestPublisher(t, natsURL, patience)
	const rounds = sampleEvery
	for n := range rounds {
		p.pace.toFirst, p.pace.perBatch[0] = 1e-9, 1
		if p.directUntil.Load() != 0 {
			t.Fatalf("requests publish by themselves after %d rounds", n)
		}
		events := p.queueUpAs(fmt.Sprintf("evt_%d_", n), batchFrom)
		p.round(t.Context(), events)
		p.await(events, stored)
	}
	until := time.Until(time.Unix(0, p.directUntil.Load()))
	if until <= 0 || until > directFor {
		t.Errorf("requests publish by themselves for %s", until)
	}
	p.directUntil.Store(time.Now().Add(patience).UnixNano())
	for range 2 {
		if dup, err := p.store(t.Context(), testEvent("evt_200")); err != nil { // no lane runs
			t.Errorf("%t, %v", dup, err)
		}
	}
	if single, atomic := p.batches(waySingle), p.batches(wayAtomic); single != rounds || atomic != 1 {
		t.Errorf("%d single publishes and %d batches, want those of the rounds, of which one was a sample, and one more", single, atomic)
	}
	if n := len(storedEvents(t, js)); n != rounds*batchFrom+1 {
		t.Errorf("%d events are stored", n)
	}
}

func TestAnEventPublishedByItsRequestIsSharedAndOutlivesIt(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{})
	arrived := swallow(t, s.URL())
	p := newTestPublisher(t, s.URL(), 9*time.Second)
	p.directUntil.Store(time.Now().Add(patience).UnixNano())
	gone, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan bool, 1)
	go func() {
		_, err := p.store(gone, testEvent("evt_1"))
		first <- err
	}()
	<-arrived // and is not acknowledged
	cancel()
	go func() {
		dup, err := p.store(t.Context(), testEvent("evt_1"))
		second <- dup && err == nil
	}()
	_, js := dial(t, s.URL())
	makeStreams(t, js, wideStream()) // the next try is acknowledged
	if !<-second {
		t.Error("the second request learned nothing of the first one's publish")
	}
	<-first
	if ids := eventIDs(storedEvents(t, js)); len(ids) != 1 || ids["evt_1"] != 1 {
		t.Errorf("stored %v", ids)
	}
}

func TestADisconnectedStoreRefusesWhatRequestsPublishThemselves(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{})
	_, js := dial(t, s.URL())
	makeStreams(t, js, wideStream())
	p := newTestPublisher(t, s.URL(), 300*time.Millisecond)
	p.startLane()
	p.directUntil.Store(time.Now().Add(patience).UnixNano())
	s.Stop()
	eventually(t, func() bool { return p.directUntil.Load() == 0 }, func() string { return "requests still publish by themselves" })
	p.directUntil.Store(time.Now().Add(patience).UnixNano())
	if _, err := p.store(t.Context(), testEvent("evt_1")); failureOutcome(err) != disconnected {
		t.Errorf("store = %v", err)
	}
}

func TestAClientThatGoesAwayDoesNotCancelASharedPublish(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	p := newTestPublisher(t, natsURL, patience)
	w := p.queueUp(1)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.store(gone, testEvent("evt_0")); !errors.Is(err, context.Canceled) || failureOutcome(err) != clientGone {
		t.Errorf("store = %v", err)
	}
	p.startLane()
	p.await(w, stored)
	checkStored(t, js, 1)
}

func TestFewEventsGoSinglyInOneRound(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	p := newTestPublisher(t, natsURL, patience)
	events := p.queueUp(batchFrom - 1)
	p.startLane()
	p.await(events, stored)
	checkStored(t, js, batchFrom-1)
	if s, a := p.batches(waySingle), p.batches(wayAtomic); s != 1 || a != 0 {
		t.Errorf("%d single rounds and %d batches, want one single round", s, a)
	}
}

func TestManyEventsGoAsAtomicBatchesOfBoundedSize(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	p := newTestPublisher(t, natsURL, patience)
	p.pace.toFirst, p.pace.perEvent = 1, 1 // measured, and dear: batches are the cheaper way
	events := p.queueUp(maxRound + 100)
	p.startLane()
	p.await(events, stored)
	checkStored(t, js, maxRound+100)
	if s, a, f := p.batches(waySingle), p.batches(wayAtomic), p.batches(wayFallback); s != 0 || a != 2 || f != 0 {
		t.Errorf("%d single, %d atomic, %d fallback; want two batches", s, a, f)
	}
}

func TestARoundIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	p := newTestPublisher(t, natsURL, patience)
	for i := range maxRoundBytes>>20 + 4 {
		e := testEvent(fmt.Sprintf("evt_%d", i))
		e.Body = []byte(strings.Repeat("x", 1<<20))
		if _, _, err := p.join(e); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.gather(<-p.queue)); n != maxRoundBytes>>20 {
		t.Errorf("a round of %d events of 1 MiB", n)
	}
}

func TestABatchRefusedForADuplicateFallsBackToSingles(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	before := newTestPublisher(t, natsURL, patience)
	events := before.queueUp(10)
	before.startLane()
	before.await(events, stored)

	after := newTestPublisher(t, natsURL, patience) // remembers nothing
	events = after.queueUp(64)
	after.startLane()
	if n := after.await(events, stored); n != 10 {
		t.Errorf("%d duplicates, want 10", n)
	}
	checkStored(t, js, 64)
	if a, f := after.batches(wayAtomic), after.batches(wayFallback); a != 1 || f != 1 {
		t.Errorf("%d atomic, %d fallback; want one that fell back", a, f)
	}
	for _, m := range storedEvents(t, js) {
		if m.Header.Get("Nats-Batch-Id") != "" {
			t.Fatalf("%s carries batch headers though it went singly", m.Header.Get(stream.HeaderEventID))
		}
	}
}

func TestAStreamWithoutAtomicPublishIsServedSingly(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{})
	_, js := dial(t, s.URL())
	config := stream.EventsConfig(wideStream())
	config.AllowAtomicPublish = false
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	p := newTestPublisher(t, s.URL(), patience)
	events := p.queueUp(100)
	p.startLane()
	p.await(events, stored)
	checkStored(t, js, 100)
	if f := p.batches(wayFallback); f != 1 {
		t.Errorf("%d fell back, want 1", f)
	}
}

func TestTooManyWaitingAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	natsURL, _ := startStore(t)
	t.Run("by number", func(t *testing.T) {
		t.Parallel()
		p := newTestPublisher(t, natsURL, patience)
		p.queueUp(maxWaiting)
		if _, err := p.store(t.Context(), testEvent("evt_x")); failureOutcome(err) != busy {
			t.Errorf("store = %v", err)
		}
	})
	t.Run("by bytes", func(t *testing.T) {
		t.Parallel()
		p := newTestPublisher(t, natsURL, patience)
		large := testEvent("evt_large")
		large.Body = make([]byte, maxWaitingBytes)
		if _, _, err := p.join(large); err != nil {
			t.Fatal(err)
		}
		if _, err := p.store(t.Context(), testEvent("evt_x")); failureOutcome(err) != busy {
			t.Errorf("store = %v", err)
		}
	})
}

func TestAnEventThatWaitedTooLongIsNotPublished(t *testing.T) {
	t.Parallel()
	natsURL, js := startStore(t)
	p := newTestPublisher(t, natsURL, time.Nanosecond)
	events := p.queueUp(3)
	p.startLane()
	p.await(events, storeTimeout)
	checkStored(t, js, 0)
}
