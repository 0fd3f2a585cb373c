package ingest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/stream"
)

// swallow listens where a stream would and never acknowledges; it tells of each message's id.
func swallow(t *testing.T, natsURL string) <-chan string {
	t.Helper()
	nc, _ := dial(t, natsURL)
	arrived := make(chan string, 1000)
	if _, err := nc.Subscribe("stripe.events.>", func(m *nats.Msg) { arrived <- m.Header.Get(stream.HeaderMsgID) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return arrived
}

func checkUnavailable(t *testing.T, got reply, want outcome) {
	t.Helper()
	if got.Status != http.StatusServiceUnavailable || outcome(got.Error.Code) != want || got.Header.Get("Retry-After") == "" || got.Error.Message == "" {
		t.Errorf("answer = %d %s, Retry-After %q; want 503 %s", got.Status, got.text, got.Header.Get("Retry-After"), want)
	}
}

func TestAFullStreamIsA503UntilThereIsRoom(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{})
	_, js := dial(t, s.URL())
	small := wideStream()
	small.MaxBytes = 10_000
	makeStreams(t, js, small)
	in := start(t, s.URL(), nil)
	kept := 0
	var got reply
	for ; ; kept++ {
		if got = in.post(sample(fmt.Sprintf("evt_%d", kept))); got.Status != http.StatusOK {
			break
		}
	}
	checkUnavailable(t, got, storeFull)
	if n := len(storedEvents(t, js)); n != kept || kept == 0 {
		t.Errorf("%d events stored, %d answered 200", n, kept)
	}
	if ok, text := in.ready(); ok || !strings.Contains(text, "store_full") {
		t.Errorf("ready: %t\n%s", ok, text)
	}
	if n := len(in.log.lines(t, "Stripe event not stored, Stripe is told to send it again")); n != 1 {
		t.Errorf("the failure was logged %d times", n)
	}
	makeStreams(t, js, wideStream())
	if got := in.post(sample(fmt.Sprintf("evt_%d", kept))); got.Status != http.StatusOK || got.Duplicate {
		t.Errorf("with room: %d %s", got.Status, got.text)
	}
	in.awaitReady()
}

func TestAStoreWithoutSpaceIsA503(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) { o.JetStreamMaxStore = 10_000 }})
	_, js := dial(t, s.URL())
	config := stream.EventsConfig(wideStream())
	config.MaxBytes = -1 // the server's own limit comes first
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	in := start(t, s.URL(), nil)
	got := reply{}
	for i := 0; got.Error.Code == "" && i < 100; i++ {
		got = in.post(sample(fmt.Sprintf("evt_%d", i)))
	}
	checkUnavailable(t, got, storeFull)
}

func TestWithoutAStreamTheAnswerIs503(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{})
	in := start(t, s.URL(), env{"PUBLISH_TIMEOUT": "6s"}) // nats.go takes a second to believe it
	checkUnavailable(t, in.post(sample("evt_1")), storeMissing)
	if ok, text := in.ready(); ok || !strings.Contains(text, "guichet setup") {
		t.Errorf("ready: %t\n%s", ok, text)
	}
	_, js := dial(t, s.URL())
	makeStreams(t, js, wideStream())
	if got := in.post(sample("evt_1")); got.Status != http.StatusOK {
		t.Errorf("with a stream: %d %s", got.Status, got.text)
	}
	in.awaitReady()
}

func TestWithoutAnAcknowledgementTheAnswerIs503InTime(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{})
	swallow(t, s.URL())
	in := start(t, s.URL(), env{"PUBLISH_TIMEOUT": "300ms"})
	checkUnavailable(t, in.post(sample("evt_1")), storeTimeout)
}

func TestALostAcknowledgementIsMadeGoodWithinTheRequest(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{})
	arrived := swallow(t, s.URL())
	in := start(t, s.URL(), env{"PUBLISH_TIMEOUT": "6s"})
	answer := make(chan reply, 1)
	go func() { answer <- in.post(sample("evt_1")) }()
	<-arrived // and nobody acknowledges it
	_, js := dial(t, s.URL())
	makeStreams(t, js, wideStream())
	if got := <-answer; got.Status != http.StatusOK {
		t.Errorf("%d %s", got.Status, got.text)
	}
	if ids := eventIDs(storedEvents(t, js)); ids["evt_1"] != 1 || len(ids) != 1 {
		t.Errorf("stored %v", ids)
	}
}

// hoangdaochuz/booking#28 answered its default 200 while the broker was down.
// Acknowledgements are waited for one after the other: those that came meanwhile are not late.
func TestALostAcknowledgementIsNoHarmToOthers(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{})
	nc, _ := dial(t, s.URL())
	if _, err := nc.Subscribe("stripe.events.>", func(m *nats.Msg) {
		if m.Header.Get(stream.HeaderMsgID) != "evt_0" {
			_ = m.Respond([]byte(`{"stream": "S", "seq": 1}`))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	const timeout = 3 * time.Second
	p := newTestPublisher(t, s.URL(), timeout)
	events := p.queueUp(100)
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	p.storeSingly(ctx, events)
	for _, w := range events[1:] {
		if w.err != nil || w.lastErr != nil {
			t.Errorf("%s was acknowledged: %v, %v", w.event.ID, w.err, w.lastErr)
		}
	}
	if events[0].err == nil {
		t.Error("nobody acknowledged evt_0")
	}
}

func TestAServerThatGoesAwayFailsThoseWaitingAtOnceAndIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startNATS(t, localnats.Options{Dir: dir})
	arrived := swallow(t, s.URL())
	in := start(t, s.URL(), env{"PUBLISH_TIMEOUT": "10m", "SHUTDOWN_GRACE": "11m"})
	const posts = 20
	answers := make(chan reply, posts)
	for i := range posts {
		go func() { answers <- in.post(sample(fmt.Sprintf("evt_%d", i))) }()
	}
	<-arrived
	s.Stop()
	limit := time.After(patience)
	for range posts {
		select {
		case got := <-answers:
			checkUnavailable(t, got, disconnected)
		case <-limit:
			t.Fatal("requests wait for a server that is gone")
		}
	}
	checkUnavailable(t, in.post(sample("evt_new")), disconnected)
	if ok, text := in.ready(); ok || !strings.Contains(text, "NATS connected: the connection is RECONNECTING") {
		t.Errorf("ready: %t\n%s", ok, text)
	}

	again := startNATS(t, localnats.Options{Dir: dir, Port: portOf(t, s.URL())})
	_, js := dial(t, again.URL())
	makeStreams(t, js, wideStream())
	var got reply
	eventually(t, func() bool { got = in.post(sample("evt_new")); return got.Status == http.StatusOK },
		func() string { return fmt.Sprintf("never stored again: %d %s", got.Status, got.text) })
	in.awaitReady()
	if ids := eventIDs(storedEvents(t, js)); ids["evt_new"] != 1 {
		t.Errorf("stored %v", ids)
	}
}

func TestEventsSentAgainUntilAnswered200AreStoredOnceAcrossRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startNATS(t, localnats.Options{Dir: dir})
	_, js := dial(t, s.URL())
	makeStreams(t, js, wideStream())
	in := start(t, s.URL(), nil)
	const posters, restarts = 48, 3
	var sent atomic.Int64
	enough := make(chan struct{})
	var working sync.WaitGroup
	for range posters {
		working.Go(func() {
			for {
				select {
				case <-enough:
					return
				default:
				}
				body := sample(fmt.Sprintf("evt_%d", sent.Add(1)-1))
				for in.post(body).Status != http.StatusOK { // as Stripe does, with less patience
				}
			}
		})
	}
	awaitSent := func(n int64) {
		eventually(t, func() bool { return sent.Load() >= n }, func() string { return fmt.Sprintf("only %d events sent", sent.Load()) })
	}
	for range restarts {
		awaitSent(sent.Load() + 200)
		s.Stop()
		s = startNATS(t, localnats.Options{Dir: dir, Port: portOf(t, s.URL())})
	}
	awaitSent(sent.Load() + 200)
	close(enough)
	working.Wait()
	_, js = dial(t, s.URL())
	checkStored(t, js, int(sent.Load()))
}

func TestItStartsBeforeNATSAndBecomesReadyWithIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startNATS(t, localnats.Options{Dir: dir})
	_, js := dial(t, s.URL())
	makeStreams(t, js, wideStream())
	port := portOf(t, s.URL())
	s.Stop()
	in := start(t, s.URL(), nil)
	checkUnavailable(t, in.post(sample("evt_1")), disconnected)
	if ok, text := in.ready(); ok {
		t.Errorf("ready without NATS:\n%s", text)
	}
	startNATS(t, localnats.Options{Dir: dir, Port: port})
	var got reply
	eventually(t, func() bool { got = in.post(sample("evt_1")); return got.Status == http.StatusOK },
		func() string { return fmt.Sprintf("never stored: %d %s", got.Status, got.text) })
	in.awaitReady()
}

func TestAnEventLargerThanNATSTakesIsA503ThatSaysSo(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) { o.MaxPayload = 10_000 }})
	_, js := dial(t, s.URL())
	makeStreams(t, js, wideStream())
	in := start(t, s.URL(), nil)
	if !strings.Contains(in.log.String(), "max_payload is smaller") {
		t.Error("the start does not warn of it")
	}
	large := sample("evt_large")
	got := in.post(large + strings.Repeat(" ", 10_000-len(large)))
	checkUnavailable(t, got, storeTooSmall)
	if !strings.Contains(got.Error.Message, "max_payload") {
		t.Errorf("message = %q", got.Error.Message)
	}
	if ok, text := in.ready(); !ok {
		t.Errorf("one event too large makes it unready:\n%s", text)
	}
	if got := in.post(sample("evt_small")); got.Status != http.StatusOK {
		t.Errorf("%d %s", got.Status, got.text)
	}
}

func TestALostConnectionEndsABatchAtOnce(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{})
	arrived := swallow(t, s.URL())
	p := newTestPublisher(t, s.URL(), 10*time.Minute)
	p.pace.toFirst, p.pace.perEvent = 1, 1
	events := p.queueUp(64)
	p.startLane()
	for range 64 {
		<-arrived
	}
	s.Stop()
	p.await(events, disconnected)
	if a := p.batches(wayAtomic); a != 1 {
		t.Errorf("%d batches, want 1", a)
	}
}

func TestALostConnectionEmptiesTheMemoryOfStoredIDs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startNATS(t, localnats.Options{Dir: dir})
	_, js := dial(t, s.URL())
	makeStreams(t, js, wideStream())
	p := newTestPublisher(t, s.URL(), patience)
	events := p.queueUp(1)
	p.startLane()
	p.await(events, stored)
	s.Stop()
	eventually(t, func() bool { return p.remembered() == 0 }, func() string { return "the memory was kept" })
	startNATS(t, localnats.Options{Port: portOf(t, s.URL())}) // with an empty store
	eventually(t, p.nc.IsConnected, func() string { return "never connected again" })
	_, js = dial(t, s.URL())
	makeStreams(t, js, wideStream())
	if dup, err := p.store(t.Context(), testEvent("evt_0")); dup || err != nil {
		t.Errorf("store = %t, %v; want it stored anew", dup, err)
	}
	checkStored(t, js, 1)
}

func (p *publisher) remembered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known.Len()
}
