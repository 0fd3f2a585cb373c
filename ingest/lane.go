package ingest

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// maxRound and maxRoundBytes bound what is stored together.
	maxRound      = 256
	maxRoundBytes = 8 << 20
)

// run stores what is queued, a round at a time, until ctx ends and the round under way is over. One lane is
// enough: with several the store syncs no faster.
func (p *publisher) run(ctx context.Context) {
	status := p.nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	defer p.nc.RemoveStatusListener(status) // which ends watch
	go p.watch(status)
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-p.queue:
			p.round(context.WithoutCancel(ctx), p.gather(first))
		}
	}
}

// gather takes what waits behind the first event, without waiting for more.
func (p *publisher) gather(first *waiting) []*waiting {
	round, size, now := []*waiting(nil), 0, time.Now()
	for next := first; ; {
		if now.After(next.deadline) {
			p.finish(next, false, context.DeadlineExceeded)
		} else {
			round = append(round, next)
			size += len(next.event.Body)
		}
		if len(round) == maxRound || size >= maxRoundBytes {
			return round
		}
		select {
		case next = <-p.queue:
		default:
			return round
		}
	}
}

// round stores events, each way that the pace says is cheaper, and finishes every one of them.
func (p *publisher) round(ctx context.Context, events []*waiting) {
	if len(events) >= batchFrom {
		p.crowdedUntil.Store(time.Now().Add(calmAfter).UnixNano())
	}
	for len(events) > 0 {
		how, n := p.pace.choose(len(events))
		if p.pace.endTrial() {
			p.directUntil.Store(time.Now().Add(directFor).UnixNano())
		}
		var part []*waiting
		part, events = events[:n], events[n:]

		ctx, cancel := context.WithDeadline(ctx, part[n-1].deadline) // the last came last
		started := time.Now()
		p.metrics.events.Observe(float64(n))
		p.metrics.batches[how].Inc()
		first := started
		if how == wayAtomic {
			p.storeAtomically(ctx, part)
		} else {
			first = p.storeSingly(ctx, part)
		}
		cancel()
		if storedAtOnce(part) {
			p.pace.learn(how, n, first.Sub(started), time.Since(started))
		}
	}
}

// storedAtOnce says whether no event failed, nor had to be tried again: what that takes tells nothing of the way.
func storedAtOnce(events []*waiting) bool {
	for _, w := range events {
		if w.err != nil || w.lastErr != nil {
			return false
		}
	}
	return true
}
