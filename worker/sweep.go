package worker

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/store"
)

// sweepSize is how many due rows are settled in one transaction.
const sweepSize = 500

// strayAge is how far back each sweep looks for facts that wait although they need not.
const strayAge = 10 * time.Minute

// sweep settles registrations that the platform made or changed, and links facts that two workers left waiting.
func (w *worker) sweep(ctx context.Context) error {
	_, err := w.store.Alone(ctx, store.SweepLock, func(ctx context.Context) error {
		return errors.Join(w.settleDue(ctx), w.linkStrays(ctx, time.Now().Add(-strayAge)))
	})
	return err
}

func (w *worker) settleDue(ctx context.Context) error {
	for {
		result, due, err := w.store.Sweep(ctx, sweepSize)
		w.reportLinks(result)
		if err != nil || due < sweepSize {
			return err
		}
	}
}

// linkStrays links what was stored since a time and waits although it need not.
func (w *worker) linkStrays(ctx context.Context, since time.Time) error {
	for {
		result, err := w.store.LinkStrays(ctx, since, sweepSize)
		w.reportLinks(result)
		if err != nil || len(result.Links) < sweepSize {
			return err
		}
	}
}

// every runs work at once and then each interval, sooner when woken, until ctx ends. A failure is logged
// once, not at each of a row of failures.
func (w *worker) every(ctx context.Context, name string, interval time.Duration, wake <-chan struct{}, work func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := false
	for {
		err := work(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			w.log.Warn("A periodic task failed, it goes on trying", zap.String("task", name), zap.Error(err))
		case err == nil && failing:
			w.log.Info("A periodic task works again", zap.String("task", name))
		}
		failing = err != nil
		w.metrics.task(name, err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-wake:
		}
	}
}
