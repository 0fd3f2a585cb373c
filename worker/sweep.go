package worker

import (
	"context"
	"errors"
	"time"

	"github.com/educareschool/guichet/pkg/store"
)

// sweepSize is how many due rows are settled in one transaction.
const sweepSize = 500

// strayAge is how far back each sweep looks for facts that wait although they need not.
const strayAge = 10 * time.Minute

// sweep settles registrations that the platform made or changed, and links facts that two workers left waiting.
func (w *worker) sweep(ctx context.Context) error {
	return w.alone(ctx, store.SweepLock, func(ctx context.Context) error {
		return errors.Join(w.settleDue(ctx), w.linkStrays(ctx, time.Now().Add(-strayAge)))
	})
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
