package ingest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/stream"
)

const (
	// knownIDs is how many ids of stored events are remembered: about 10 MB.
	knownIDs = 1 << 16
	// maxWaiting and maxWaitingBytes bound the events that wait to be stored; beyond them requests are refused at once.
	maxWaiting      = 4096
	maxWaitingBytes = 64 << 20
	// answerSlack is how much longer a request waits than its event may take, so that it learns the reason, on
	// a busy machine too.
	answerSlack = 2 * time.Second
)

// publisher stores events. Requests with the same event id share one publish; ids known to be stored are
// answered from memory; all others queue for one lane (lane.go), which stores what waits together, or publish
// by themselves while they are few, or the lane has found that cheaper (single.go).
type publisher struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	timeout time.Duration // from joining the queue to being on disk
	tryOver moments
	log     *zap.Logger
	metrics *metrics
	queue   chan *waiting
	pace    pace // the lane's alone
	// directUntil is until when, in Unix nanoseconds, all requests publish by themselves, and crowdedUntil until when few
	// do not either.
	directUntil, crowdedUntil atomic.Int64

	mu           sync.Mutex
	known        *lru.Cache[string, struct{}] // ids whose acknowledgement this connection has seen
	inFlight     map[string]*waiting
	waitingBytes int
	abortBatch   context.CancelFunc // of the atomic batch under way; nil without one
	lastFailure  failure            // since the last event that was stored
}

// waiting is one event on its way into the stream.
type waiting struct {
	event    stream.Event
	deadline time.Time
	lastErr  error // of a try that another one follows; its publisher's alone
	direct   bool  // it does not queue: the request that brought it publishes it

	done      chan struct{} // closed when the two below are set
	duplicate bool
	err       error
}

// failure is a publish that failed.
type failure struct {
	err error
	at  time.Time
}

func newPublisher(nc *nats.Conn, timeout time.Duration, log *zap.Logger, m *metrics) (*publisher, error) {
	// What nobody waits for any longer, nats.go keeps for the time of one more try.
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(2*tryTime(timeout)), jetstream.WithPublishAsyncMaxPending(tries*maxWaiting))
	if err != nil {
		return nil, fmt.Errorf("JetStream: %w", err)
	}
	known, err := lru.New[string, struct{}](knownIDs)
	if err != nil {
		return nil, fmt.Errorf("memory of stored ids: %w", err)
	}
	return &publisher{
		nc: nc, js: js, timeout: timeout, log: log, metrics: m,
		tryOver:  moments{after: tryTime(timeout)},
		queue:    make(chan *waiting, maxWaiting),
		known:    known,
		inFlight: map[string]*waiting{},
	}, nil
}

// tries is how many tries fit a request's time at the least, and tryTime how long one waits for its acknowledgement at the most.
const tries = 3

func tryTime(timeout time.Duration) time.Duration { return timeout / tries }

// store returns nil once the event is on disk, and whether it was there before or another request put it
// there. When ctx ends first the publish goes on: other requests may share it.
func (p *publisher) store(ctx context.Context, e stream.Event) (duplicate bool, err error) {
	w, shared, err := p.join(e)
	if w == nil {
		return err == nil, err
	}
	if w.direct && !shared {
		p.storeDirectly(ctx, w)
		return w.duplicate, w.err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout+answerSlack)
	defer cancel()
	select {
	case <-w.done:
		return shared || w.duplicate, w.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// join puts an event into the queue, or finds the one that is on its way under the same id. It returns no
// event where there is nothing to wait for: the id is known to be stored, or err says why it is not taken.
func (p *publisher) join(e stream.Event) (w *waiting, shared bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, stored := p.known.Get(e.ID); stored {
		return nil, false, nil
	}
	if w, shared = p.inFlight[e.ID]; shared {
		return w, true, nil
	}
	if p.waitingBytes+len(e.Body) > maxWaitingBytes {
		return nil, false, errBusy
	}
	if len(p.inFlight) >= maxWaiting {
		return nil, false, errBusy
	}
	now := time.Now()
	w = &waiting{event: e, deadline: now.Add(p.timeout), done: make(chan struct{}), direct: p.goesDirectly(now)}
	if !w.direct {
		p.queue <- w // which has room for all that are in flight
	}
	p.inFlight[e.ID] = w
	p.waitingBytes += len(e.Body)
	return w, false, nil
}

// goesDirectly says whether an event that comes now is published by its own request; mu is held.
func (p *publisher) goesDirectly(now time.Time) bool {
	t := now.UnixNano()
	return t < p.directUntil.Load() || len(p.inFlight) < batchFrom-1 && t >= p.crowdedUntil.Load()
}

// finish tells all requests that wait for an event how it went.
func (p *publisher) finish(w *waiting, duplicate bool, err error) {
	p.mu.Lock()
	delete(p.inFlight, w.event.ID)
	p.waitingBytes -= len(w.event.Body)
	switch {
	case err == nil:
		p.known.Add(w.event.ID, struct{}{})
		p.lastFailure = failure{}
	case failureOutcome(err) != storeTooSmall: // which tells of the event, not of the store
		p.lastFailure = failure{err: err, at: time.Now()}
	}
	p.mu.Unlock()
	w.duplicate, w.err = duplicate, err
	close(w.done)
}

// watch follows the connection until the channel is closed. A lost one ends the batch under way at once
// (nats.go does so for single publishes), and what its server held is no longer vouched for from memory.
func (p *publisher) watch(status <-chan nats.Status) {
	for range status {
		p.directUntil.Store(0) // another server may sync
		p.mu.Lock()
		p.known.Purge()
		if p.abortBatch != nil {
			p.abortBatch()
		}
		p.mu.Unlock()
	}
}

func (p *publisher) setAbort(cancel context.CancelFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.abortBatch = cancel
}
