package worker

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/store"
)

// carried is how many events a batch may hold to be looked after with the next one. Of a larger one the look is a small part,
// and it would be held in memory for that.
const carried = 128

// settlement is a batch that is committed, and not answered yet.
type settlement struct {
	*store.Committed
	batch     []*message
	took      time.Duration
	committed time.Time
}

// settler settles one batch after the other. A batch that is committed is looked after (see store.CatchUp) with the one
// that follows it, or at once where none is there yet or it is large, and acknowledged only then.
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
			if alone || len(batch) > carried {
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
