package archive

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// Batching says how messages are handed on.
type Batching struct {
	Size   int // messages in a batch
	InWork int // batches in work at once
	// Seen, if not nil, is told how many messages were looked at, and of how many.
	Seen func(done, total uint64)
}

// Batches scans an archive and has its messages worked on in batches, several at once, so that reading, computing and
// waiting overlap. What comes of them is handed to each in the order of the messages, one at a time. Memory does not
// grow with the number of messages. It ends at the first error; at ErrStop of each without one.
func Batches[R any](ctx context.Context, a *Archive, f Filter, b Batching, work func(context.Context, []Message) (R, error), each func(R) error) error {
	group, running := errgroup.WithContext(ctx)
	tickets := make(chan chan R, b.InWork-1) // one more is held by whoever waits for it
	begin := func(batch []Message) error {
		ticket := make(chan R, 1)
		select {
		case tickets <- ticket:
		case <-running.Done():
			return running.Err()
		}
		group.Go(func() error {
			result, err := work(running, batch)
			if err != nil {
				return err
			}
			ticket <- result
			return nil
		})
		return nil
	}
	group.Go(func() error {
		defer close(tickets)
		var batch []Message
		err := a.Scan(running, f, b.Seen, func(m Message) error {
			batch = append(batch, m)
			if len(batch) < b.Size {
				return nil
			}
			full := batch
			batch = make([]Message, 0, b.Size)
			return begin(full)
		})
		if err == nil && len(batch) > 0 {
			err = begin(batch)
		}
		return err
	})
	group.Go(func() error {
		for ticket := range tickets {
			select {
			case result := <-ticket:
				if err := each(result); err != nil {
					return err
				}
			case <-running.Done():
				return running.Err()
			}
		}
		return nil
	})
	if err := group.Wait(); !errors.Is(err, ErrStop) {
		return err
	}
	return nil
}
