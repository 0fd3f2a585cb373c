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
	*store.Committed
	batch     []*message
	took      time.Duration
	committed time.Time
}

// settler settles one batch after the other. A batch that is committed is looked after (see store.CatchUp) with the one
// that follows it, or at once where none is there yet, and acknowledged only then.
type settler struct {
	*worker
	last  *settlement   // committed, and not looked after
	after chan<- func() // what is to be done in turn about what is committed, beside the next batch
}

// handle settles a batch: what is committed becomes the last one, the other messages it answers. Those that come again go
// apart: what made their last batch fail may be among them, and their neighbours are not to be tried over and over for it.
// Dead letters are made last.
func (s *settler) handle(ctx context.Context, batch []*message) {
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
			s.settle(ctx, part, false)
		}
	}
	if len(undecoded) > 0 { // which may take long
		s.finish(ctx)
	}
	for _, m := range undecoded {
		s.answer(ctx, judge(m.undecoded, 1, m.deliveries, false), []*message{m}, m.undecoded)
	}
}

// settle has a batch committed, or answers it. One that goes alone is looked after before its verdict.
func (s *settler) settle(ctx context.Context, batch []*message, alone bool) {
	for try := 0; ; try++ {
		started := time.Now()
		span := s.startBatch(batch, started)
		committed, err := s.commit(ctx, batch, alone)
		if s.last != nil && store.IsDataError(err) { // of which of the two?
			s.endBatch(span, batch, wait, started)
			s.finish(ctx)
			continue
		}
		v := judge(err, len(batch), batch[0].deliveries, ctx.Err() != nil)
		s.endBatch(span, batch, v, started)
		s.metrics.batch(v, len(batch), time.Since(started))
		switch v {
		case ack:
			now := time.Now()
			s.next(ctx, &settlement{committed, batch, now.Sub(started), now})
			if alone {
				s.finish(ctx)
			}
			return
		case split:
			s.settle(ctx, batch[:len(batch)/2], alone)
			s.finish(ctx) // or the other half would be tried with it first
			s.settle(ctx, batch[len(batch)/2:], alone)
			return
		case wait:
			if try == 0 {
				s.reportFailure(batch)
			}
			s.pause(ctx, batch, try, err)
			s.finish(ctx)
			continue
		case again, deadLetter:
			s.reportFailure(batch)
		}
		s.answer(ctx, v, batch, err)
		return
	}
}

func (s *settler) commit(ctx context.Context, batch []*message, alone bool) (*store.Committed, error) {
	events := make([]store.Received, len(batch))
	for i, m := range batch {
		events[i] = m.event
	}
	if alone {
		result, err := s.store.Process(ctx, events)
		return &store.Committed{Result: result}, err // with nothing left to look for
	}
	var before *store.Committed
	if s.last != nil {
		before = s.last.Committed
	}
	return s.store.ProcessAfter(ctx, before, events)
}

// next makes a batch the last one: the one before it was looked after in its transaction.
func (s *settler) next(ctx context.Context, committed *settlement) {
	before := s.last
	s.last = committed
	s.after <- func() {
		s.report(committed)
		if before != nil {
			s.answer(ctx, ack, before.batch, nil)
		}
	}
}

// finish looks after the last batch by itself, if there is one, and answers it. Where an event of it is refused for what was
// found, the batch is settled anew, which finds out which.
func (s *settler) finish(ctx context.Context) {
	last := s.last
	if last == nil {
		return
	}
	s.last = nil
	for try := 0; ; try++ {
		more, err := s.store.CatchUp(ctx, last.Committed)
		v := judge(err, len(last.batch), last.batch[0].deliveries, ctx.Err() != nil)
		s.after <- func() {
			s.reportLinks(more)
			if v == ack || v == giveBack {
				s.answer(ctx, v, last.batch, err)
			}
		}
		switch v {
		case ack, giveBack:
		case wait:
			s.pause(ctx, last.batch, try, err)
			continue
		default:
			s.settle(ctx, last.batch, true)
		}
		return
	}
}

// pause waits before a batch is tried again.
func (s *settler) pause(ctx context.Context, batch []*message, try int, err error) {
	s.log.Warn("The database did not take a batch, trying again",
		zap.Int("events", len(batch)), zap.Int(logging.Attempt, try+1), zap.Error(err))
	pause(ctx, backoff(try))
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
