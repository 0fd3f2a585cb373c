package worker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// slow is a database that has time for so many things at once.
func slow(ctx context.Context, n, bearable int) error {
	if n <= bearable {
		return nil
	}
	<-ctx.Done()
	return errors.New("canceling statement due to user request") // PostgreSQL's words
}

func TestABatchThatTakesTooLongIsTriedInHalves(t *testing.T) {
	t.Parallel()
	b := &batches{size: 200, timeout: time.Millisecond}
	var tried []int
	left := 130
	err := b.all(t.Context(), func(ctx context.Context, size int) (int64, error) {
		tried = append(tried, size)
		if err := slow(ctx, size, 60); err != nil {
			return 0, err
		}
		done := min(size, left)
		left -= done
		return int64(done), nil
	})
	if want := []int{200, 100, 50, 50, 50}; err != nil || !slices.Equal(tried, want) || left != 0 {
		t.Errorf("it tried %v, want %v; %d are left (%v)", tried, want, left, err)
	}
}

func TestWhatTakesTooLongAloneIsAnError(t *testing.T) {
	t.Parallel()
	b := &batches{size: 4, timeout: time.Millisecond}
	err := b.all(t.Context(), func(ctx context.Context, size int) (int64, error) { return 0, slow(ctx, size, 0) })
	if err == nil || b.size != 1 {
		t.Errorf("%v, at a size of %d", err, b.size)
	}
}

func TestABatchIsNotTriedAgainAtTheEndOfTheWorker(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b := &batches{size: 4, timeout: time.Minute}
	tries := 0
	err := b.all(ctx, func(ctx context.Context, size int) (int64, error) {
		tries++
		cancel()
		return 0, slow(ctx, size, 0)
	})
	if err == nil || tries != 1 || b.size != 4 {
		t.Errorf("%v after %d tries, at a size of %d", err, tries, b.size)
	}
}

func TestAnErrorInTimeIsNoReasonToTryFewer(t *testing.T) {
	t.Parallel()
	b, refused := newBatches(), errors.New("refused")
	if again, err := b.try(t.Context(), 10, func(context.Context) error { return refused }); again || !errors.Is(err, refused) || b.size != cleanupSize {
		t.Errorf("again %t, %v, at a size of %d", again, err, b.size)
	}
}
