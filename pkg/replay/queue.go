package replay

import (
	"context"
	"errors"

	"github.com/educareschool/guichet/pkg/store"
)

// queue settles batches one after the other, in the order in which they are added, as places must be given. It gains by
// storing the events of one, which is half of the work, while the one before it is settled.
type queue struct {
	store   *store.Store
	refused func(id string, err error)
	last    *turn
	// What those did whose turn it was:
	stored  int // events that were new
	settled int // registrations, anew
}

// turn is that of a batch.
type turn struct {
	events        []store.Received
	registrations []string // their events are stored already; to be settled anew

	stored chan struct{} // closed when its events are stored, if not committed, and the next batch may begin
	failed chan struct{} // closed when its first try has failed, and the next must give way until it is done
	done   chan struct{} // closed at the end
	err    error         // once done
}

// errTooEarly is that a batch cannot be stored before its turn.
var errTooEarly = errors.New("the batch before it is not done")

func newQueue(db *store.Store, refused func(id string, err error)) *queue {
	first := &turn{done: make(chan struct{})}
	close(first.done)
	return &queue{store: db, refused: refused, last: first}
}

// add has events stored and settled, and then registrations settled anew. It returns when the batch before is done, with
// its error.
func (q *queue) add(ctx context.Context, events []store.Received, registrations []string) error {
	before, t := q.last, &turn{
		events: events, registrations: registrations,
		stored: make(chan struct{}), failed: make(chan struct{}), done: make(chan struct{}),
	}
	q.last = t
	go func() {
		defer close(t.done)
		t.err = q.take(ctx, before, t)
	}()
	return before.wait()
}

// end waits for the last batch.
func (q *queue) end() error { return q.last.wait() }

func (t *turn) wait() error {
	<-t.done
	return t.err
}

func (q *queue) take(ctx context.Context, before, t *turn) error {
	stored, err := q.early(ctx, before, t)
	if err != nil {
		close(t.failed)
		if err := before.wait(); err != nil {
			return err
		}
		var again int
		again, err = Store(ctx, q.store, t.events, q.refused)
		stored += again // to what was committed before the try failed
	}
	q.stored += stored
	if err != nil {
		return err
	}
	return Divide(t.registrations, func(ids []string) error {
		_, err := q.store.Resettle(ctx, ids)
		if err == nil {
			q.settled += len(ids)
		}
		return err
	}, q.refused)
}

// early stores events, and settles them when the batch before is done. An event that both hold it waits for, in PostgreSQL and
// no longer than for any lock. Before registrations are settled, which takes several transactions, the next batch does not begin.
func (q *queue) early(ctx context.Context, before, t *turn) (stored int, err error) {
	if len(t.events) == 0 {
		return 0, before.wait()
	}
	select {
	case <-before.stored:
	case <-before.done:
	}
	result, err := q.store.ProcessInTurn(ctx, t.events, func(ctx context.Context) error {
		if len(t.registrations) == 0 {
			close(t.stored)
		}
		select {
		case <-before.done:
			return before.err
		case <-before.failed:
			return errTooEarly
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return len(result.Stored), err
}
