package ingest

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/stream"
)

// retryPause separates two tries of a publish.
const retryPause = 100 * time.Millisecond

const (
	// directFor is how long requests publish by themselves before the lane measures again.
	directFor = 5 * time.Second
	// calmAfter is how long the lane must not have had enough for a batch for few requests to publish by themselves: those
	// who were answered together come again together, and the first of them are few.
	calmAfter = time.Second
)

// storeDirectly publishes an event for the request that brought it. Where there are too few for a batch, or the store does
// not sync each write, rounds gain nothing and waiting for them costs. When the request ends the publish goes on: others
// may share it.
func (p *publisher) storeDirectly(ctx context.Context, w *waiting) {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), w.deadline)
	defer cancel()
	p.metrics.events.Observe(1)
	p.metrics.batches[waySingle].Inc()
	p.storeSingly(ctx, []*waiting{w})
}

// storeSingly publishes each event by itself, all in one flush, finishes every one of them, and returns when the first try of
// the first was answered. Those whose acknowledgement was lost are published again under the same id until ctx ends.
func (p *publisher) storeSingly(ctx context.Context, events []*waiting) (first time.Time) {
	for events, first = p.try(ctx, events); len(events) > 0; events, _ = p.try(ctx, events) {
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			for _, w := range events {
				p.finish(w, false, w.lastErr)
			}
			return first
		}
	}
	return first
}

// try publishes events once and returns those that are worth another try, and when it was known how the first went.
func (p *publisher) try(ctx context.Context, events []*waiting) (again []*waiting, first time.Time) {
	acks := make([]func() (*jetstream.PubAck, error), len(events))
	for i, w := range events {
		acks[i] = p.publish(ctx, w.event)
	}
	for i, w := range events {
		ack, err := acks[i]()
		if i == 0 {
			first = time.Now()
		}
		switch {
		case err == nil:
			p.finish(w, ack.Duplicate, nil) // a duplicate is on disk: that is success
		case ctx.Err() != nil && w.lastErr != nil:
			p.finish(w, false, w.lastErr) // why it failed, rather than that time is over
		case ctx.Err() == nil && worthAnotherTry(err):
			w.lastErr = err
			again = append(again, w)
		default:
			p.finish(w, false, err)
		}
	}
	return again, first
}

// publish sends an event and returns how to wait for its acknowledgement.
func (p *publisher) publish(ctx context.Context, e stream.Event) func() (*jetstream.PubAck, error) {
	if !p.nc.IsConnected() { // before the first connection, nats.go says that headers are not supported
		return func() (*jetstream.PubAck, error) { return nil, nats.ErrDisconnected }
	}
	over := p.tryOver.next()
	future, err := p.js.PublishMsgAsync(e.Message())
	return func() (*jetstream.PubAck, error) {
		if err != nil {
			return nil, err
		}
		var late error
		select {
		case ack := <-future.Ok():
			return ack, nil
		case err := <-future.Err():
			return nil, err
		case <-over:
			late = jetstream.ErrAsyncPublishTimeout
		case <-ctx.Done():
			late = ctx.Err()
		}
		select { // it may have come while others were waited for
		case ack := <-future.Ok():
			return ack, nil
		case err := <-future.Err():
			return nil, err
		default:
			return nil, late
		}
	}
}
