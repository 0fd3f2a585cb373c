package replay

import (
	"context"
	"errors"
	"slices"

	"github.com/educareschool/guichet/pkg/store"
)

// queue settles batches one after the other, in the order in which they are added, as places must be given. It gains by
// storing the events of one, which is half of the work, while the one before it is settled.
type queue struct {
	store   *store.Store
	refused func(id string, err error)
	last    *turn
	stored  int // events that were new; of those whose turn it is
}

// turn is that of a batch.
type turn struct {
	ids    map[string]bool
	stored chan struct{} // closed when its events are stored, if not committed
	failed chan struct{} // closed when its first try has failed
	done   chan struct{} // closed at the end
	err    error         // once done
}

// errTooEarly is that the batch before has to be tried again, for which this one is out of its way.
var errTooEarly = errors.New("the batch before it is tried again")

func newQueue(db *store.Store, refused func(id string, err error)) *queue {
	first := &turn{done: make(chan struct{})}
	close(first.done)
	return &queue{store: db, refused: refused, last: first}
}

// add has events stored and settled; then is called in their turn. It returns when the batch before is done, with its
// error.
func (q *queue) add(ctx context.Context, events []store.Received, then func() error) error {
	before, t := q.last, &turn{
		ids: make(map[string]bool, len(events)), stored: make(chan struct{}), failed: make(chan struct{}), done: make(chan struct{}),
	}
	for _, e := range events {
		t.ids[e.ID] = true
	}
	q.last = t
	go func() {
		defer close(t.done)
		if t.err = q.take(ctx, before, t, events); t.err == nil {
			t.err = then()
		}
	}()
	return before.wait()
}

// end waits for the last batch.
func (q *queue) end() error { return q.last.wait() }

func (t *turn) wait() error {
	<-t.done
	return t.err
}

func (q *queue) take(ctx context.Context, before, t *turn, events []store.Received) error {
	stored, err := q.early(ctx, before, t, events)
	if err == nil {
		q.stored += stored
		return nil
	}
	close(t.failed)
	if err := before.wait(); err != nil {
		return err
	}
	again, err := Store(ctx, q.store, events, q.refused)
	q.stored += stored + again // what was committed before the try failed is not new to the second
	return err
}

// early stores events, and settles them when the batch before is done. Its error is that of the try, or that it is not to be
// made: an event that both batches hold would have the one wait for the other.
func (q *queue) early(ctx context.Context, before, t *turn, events []store.Received) (stored int, err error) {
	select {
	case <-before.stored:
	case <-before.done:
	}
	if len(events) == 0 || slices.ContainsFunc(events, func(e store.Received) bool { return before.ids[e.ID] }) {
		return 0, errTooEarly
	}
	result, err := q.store.ProcessInTurn(ctx, events, func(ctx context.Context) error {
		close(t.stored)
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
