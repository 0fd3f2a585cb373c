package worker

import (
	"context"
	"time"
)

// batches bounds how long a batch of cleanup may take. One that takes longer is given up and tried again with
// half of what it held: a database that is slow for a while is not made slower.
type batches struct {
	size    int
	timeout time.Duration
}

func newBatches() *batches { return &batches{cleanupSize, cleanupTimeout} }

// try runs work on n things. It says whether work ran out of time and is to be run on fewer; then there is no error.
func (b *batches) try(ctx context.Context, n int, work func(context.Context) error) (again bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	err = work(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil && n > 1 {
		b.size = n / 2
		return true, nil
	}
	return false, err
}

// all runs work, which is told how many things to take and says how many there were, until there are no more.
func (b *batches) all(ctx context.Context, work func(ctx context.Context, size int) (int64, error)) error {
	for {
		var done int64
		size := b.size
		again, err := b.try(ctx, size, func(ctx context.Context) (err error) {
			done, err = work(ctx, size)
			return err
		})
		if err != nil || !again && done < int64(size) {
			return err
		}
	}
}
