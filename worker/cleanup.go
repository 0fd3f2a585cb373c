package worker

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/store"
)

// cleanupSize is how many registrations are cleaned in one transaction.
const cleanupSize = 200

// backlogPause is how long cleanup waits before it looks again whether the backlog is worked off.
const backlogPause = 250 * time.Millisecond

// cleanup ends what has passed its deadline, on one worker at a time. Whoever paid has an event in the
// stream: so it acts only when everything that the stream held at its start has been processed.
func (w *worker) cleanup(ctx context.Context) error {
	_, err := w.store.Alone(ctx, store.CleanupLock, func(ctx context.Context) error {
		w.log.Info("🧹 Starting cleanup of expired Stripe sessions...")
		if err := w.awaitBacklog(ctx); err != nil {
			return err
		}
		if err := w.store.MarkSeatable(ctx); err != nil {
			return err
		}
		found, cleaned, err := w.cleanOverdue(ctx)
		w.log.Info(fmt.Sprintf("🗑️ Found %d expired Stripe sessions to cleanup", found))
		w.log.Info(fmt.Sprintf("✅ Cleanup completed: %d/%d registrations cleaned", cleaned, found))
		return err
	})
	return err
}

// cleanOverdue stores, batch by batch, the facts that the clock makes of deadlines that have passed.
func (w *worker) cleanOverdue(ctx context.Context) (found, cleaned int, err error) {
	var seen []string
	for {
		overdue, err := w.store.Overdue(ctx, cleanupSize, seen)
		if err != nil || len(overdue) == 0 {
			return found, cleaned, err
		}
		found += len(overdue)
		var facts []store.Received
		for _, o := range overdue {
			seen = append(seen, o.Registration.ID)
			if o.Fact.ID != "" {
				facts = append(facts, store.Own(o.Registration.ID, o.Fact))
			}
		}
		result, err := w.store.Process(ctx, facts)
		if err != nil {
			return found, cleaned, err
		}
		cleaned += len(result.Stored)
		w.reportLinks(result)
	}
}

// awaitBacklog returns when the worker has processed all that the stream holds now.
func (w *worker) awaitBacklog(ctx context.Context) error {
	consumer, err := w.consumerInfo(ctx)
	if err != nil {
		return err
	}
	last := consumer.Delivered.Stream + consumer.NumPending
	told := false
	for consumer.NumPending+uint64(max(consumer.NumAckPending, 0)) > 0 && consumer.AckFloor.Stream < last {
		if !told {
			w.log.Info("Cleanup waits for the backlog", zap.Uint64("pending", consumer.NumPending), zap.Int("in_work", consumer.NumAckPending))
			told = true
		}
		if !pause(ctx, backlogPause) {
			return ctx.Err()
		}
		if consumer, err = w.consumerInfo(ctx); err != nil {
			return err
		}
	}
	return nil
}
