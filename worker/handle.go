package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// maxDeliveries is after how many deliveries an event that PostgreSQL refuses becomes a dead letter.
const maxDeliveries = 5

// verdict is what becomes of a batch.
type verdict string

const (
	ack        verdict = "ack"         // it is committed
	split      verdict = "split"       // one of its events is at fault: find which
	wait       verdict = "wait"        // nothing is wrong with it: try it again here
	again      verdict = "again"       // have it delivered again later
	deadLetter verdict = "dead_letter" // it can never be used
	giveBack   verdict = "give_back"   // we are stopping: another worker takes it
)

// judge says what becomes of a batch of a size, given what came of it: this is the one place that decides.
func judge(err error, size int, deliveries uint64, stopping bool) verdict {
	switch {
	case err == nil:
		return ack
	case errors.Is(err, stripeevent.ErrUndecodable):
		return deadLetter
	case stopping:
		return giveBack
	case !store.IsDataError(err):
		return wait
	case size > 1:
		return split
	case deliveries < maxDeliveries:
		return again
	default:
		return deadLetter
	}
}

// settlement is a batch that is committed, and not answered yet.
type settlement struct {
	batch     []*message
	result    store.Result
	took      time.Duration
	committed time.Time
}

// handle settles a batch: what is committed it hands on, the other messages it answers. Those that come again go apart:
// what made their last batch fail may be among them, and their neighbours are not to be tried over and over for it. Dead
// letters are made last.
func (w *worker) handle(ctx context.Context, batch []*message, settled chan<- settlement) {
	var fresh, again, undecoded []*message
	for _, m := range batch {
		switch {
		case m.undecoded != nil:
			undecoded = append(undecoded, m)
		case m.deliveries > 1:
			again = append(again, m)
		default:
			fresh = append(fresh, m)
		}
	}
	for _, part := range [][]*message{fresh, again} {
		if len(part) > 0 {
			w.settle(ctx, part, settled)
		}
	}
	for _, m := range undecoded {
		w.answer(ctx, judge(m.undecoded, 1, m.deliveries, false), []*message{m}, m.undecoded)
	}
}

func (w *worker) settle(ctx context.Context, batch []*message, settled chan<- settlement) {
	events := make([]store.Received, len(batch))
	for i, m := range batch {
		events[i] = m.event
	}
	for try := 0; ; try++ {
		started := time.Now()
		span := w.startBatch(batch, started)
		result, err := w.store.Process(ctx, events)
		v := judge(err, len(batch), batch[0].deliveries, ctx.Err() != nil)
		w.endBatch(span, batch, v, started)
		w.metrics.batch(v, len(batch), time.Since(started))
		switch v {
		case ack:
			now := time.Now()
			settled <- settlement{batch, result, now.Sub(started), now}
			return
		case split:
			w.settle(ctx, batch[:len(batch)/2], settled)
			w.settle(ctx, batch[len(batch)/2:], settled)
			return
		case wait:
			if try == 0 {
				w.reportFailure(batch)
			}
			w.log.Warn("The database did not take a batch, trying again",
				zap.Int("events", len(batch)), zap.Int(logging.Attempt, try+1), zap.Error(err))
			pause(ctx, backoff(try))
			continue
		case again, deadLetter:
			w.reportFailure(batch)
		}
		w.answer(ctx, v, batch, err)
		return
	}
}

// answer tells JetStream the verdict, and holds the batch no longer. What JetStream does not hear it delivers again,
// which is harmless.
func (w *worker) answer(ctx context.Context, v verdict, batch []*message, cause error) {
	for _, m := range batch {
		var err error
		switch v {
		case ack:
			err = m.Ack()
		case giveBack:
			err = m.Nak()
		case again:
			w.log.Warn("An event could not be settled, it will be delivered again", append(m.fields(), zap.Error(cause))...)
			err = m.NakWithDelay(backoff(int(m.deliveries))) // #nosec G115 -- below maxDeliveries
		case deadLetter:
			err = w.bury(ctx, m, cause)
		}
		if err != nil {
			w.log.Warn("An answer to JetStream was lost", append(m.fields(), zap.String("verdict", string(v)), zap.Error(err))...)
		}
		m.endSpan(v)
	}
	w.held.release(batch)
}

func (m *message) fields() []zap.Field {
	return []zap.Field{
		zap.String(logging.EventID, m.event.ID), zap.String(logging.EventType, m.event.Type),
		zap.Uint64(logging.Sequence, m.sequence), zap.Uint64(logging.Attempt, m.deliveries),
	}
}

// backoff is the pause after a number of failed tries: doubling from 250 ms to 15 s, with jitter.
func backoff(tries int) time.Duration {
	longest := min(250*time.Millisecond<<min(tries, 6), 15*time.Second)
	return longest/2 + rand.N(longest/2) // #nosec G404 -- jitter
}

// pause waits, and says whether it waited to the end.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// reportFailure logs the guide's lines for payments that could not be settled now.
func (w *worker) reportFailure(batch []*message) {
	for _, m := range batch {
		if m.event.Fact != nil && m.event.Registration != "" {
			w.guide.failed(m.event, "the database did not take it")
		}
	}
}

// report logs the guide's lines for what a batch did.
func (w *worker) report(s settlement) {
	result := s.result
	fresh := 0
	for _, m := range s.batch {
		if !result.Stored[m.event.ID] {
			w.metrics.event(m.event.Type, eventDuplicate)
			continue
		}
		fresh++
		delete(result.Stored, m.event.ID) // a batch may hold an event twice
		w.guide.received(m.event)
		w.metrics.stored(m.event, s.committed)
	}
	w.reportLinks(result)
	w.log.Debug("Batch settled", zap.Int("events", len(s.batch)), zap.Int("new", fresh), zap.Duration(logging.Duration, s.took))
}

func wake(task chan<- struct{}) {
	select {
	case task <- struct{}{}:
	default: // it is awake
	}
}

// reportLinks logs what facts came to their registrations, and has the outbox look for their mails.
func (w *worker) reportLinks(result store.Result) {
	w.metrics.changes(result.Changes)
	if len(result.Links)+len(result.Changes) > 0 {
		wake(w.mailed)
	}
	if len(result.Waiting) > 0 {
		wake(w.unlinked)
	}
	for _, link := range result.Links {
		w.guide.handled(link)
	}
	linked := map[string]bool{}
	for _, link := range result.Links {
		linked[link.Fact.ID] = true
	}
	for _, e := range result.Waiting {
		if !linked[e.ID] && e.Registration != "" {
			w.guide.failed(e, "no such registration yet")
		}
	}
	for _, c := range result.Changes {
		w.log.Info("Registration settled", zap.String(logging.RegistrationID, c.RegistrationID),
			zap.String("from", string(c.From)), zap.String("to", string(c.To)), zap.Bool("seat_held", c.SeatHeld))
	}
}
