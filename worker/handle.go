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
func (w *worker) report(s *settlement) {
	fresh := 0
	for _, m := range s.batch {
		if !s.Stored[m.event.ID] {
			w.metrics.event(m.event.Type, eventDuplicate)
			continue
		}
		fresh++
		delete(s.Stored, m.event.ID) // a batch may hold an event twice
		w.guide.received(m.event)
		w.metrics.stored(m.event, s.committed)
	}
	w.reportLinks(s.Result)
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
