package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

const (
	// cleanupSize is how many registrations are cleaned in one transaction; a batch that times out is halved.
	cleanupSize = 200
	// cleanupTimeout bounds a batch, the questions to Stripe apart.
	cleanupTimeout = 15 * time.Second
	// attentionAge is how long something may stay unexplained before a person is told.
	attentionAge = registration.AttentionAge
	// backlogPause is how long cleanup waits before it looks again whether the backlog is worked off.
	backlogPause = 250 * time.Millisecond
)

// cleanup ends what has passed its deadline, on one worker at a time. Whoever paid has an event in the
// stream: so it acts only when everything that the stream held at its start has been processed.
func (w *worker) cleanup(ctx context.Context) error {
	return w.alone(ctx, store.CleanupLock, func(ctx context.Context) error {
		w.log.Info("🧹 Starting cleanup of expired Stripe sessions...")
		if err := w.awaitBacklog(ctx, taskCleanup); err != nil {
			return err
		}
		if err := w.linkStrays(ctx, time.Time{}); err != nil {
			return err
		}
		if err := w.store.MarkSeatable(ctx); err != nil {
			return err
		}
		found, cleaned, err := w.cleanOverdue(ctx)
		w.log.Info(fmt.Sprintf("🗑️ Found %d expired Stripe sessions to cleanup", found))
		w.log.Info(fmt.Sprintf("✅ Cleanup completed: %d/%d registrations cleaned", cleaned, found))
		return errors.Join(err, w.raiseAttention(ctx), w.blank(ctx))
	})
}

// cleanOverdue stores, batch by batch, the facts that end what has passed its deadline. Where Stripe gives no
// answer no more is asked in this run, and what an answer is needed for stays as it is.
func (w *worker) cleanOverdue(ctx context.Context) (found, cleaned int, err error) {
	var stayed []string
	var unanswered error
	sizes := newBatches()
	for {
		var overdue []store.Standing
		again, err := sizes.try(ctx, sizes.size, func(ctx context.Context) (err error) {
			overdue, err = w.store.Overdue(ctx, sizes.size, stayed)
			return err
		})
		switch {
		case again:
			continue
		case err != nil, len(overdue) == 0:
			return found, cleaned, errors.Join(err, unanswered)
		}
		found += len(overdue)
		var facts []store.Received
		for _, o := range overdue {
			if unanswered != nil && w.asks(o) {
				continue
			}
			more, err := w.verdictOn(ctx, o)
			unanswered = errors.Join(unanswered, err)
			facts = append(facts, more...)
		}
		about, err := w.storeFacts(ctx, facts, sizes)
		cleaned += len(about)
		if err != nil {
			return found, cleaned, errors.Join(err, unanswered)
		}
		for _, o := range overdue {
			if !about[o.Registration.ID] {
				stayed = append(stayed, o.Registration.ID)
			}
		}
	}
}

// storeFacts processes facts in batches, in half of one where it takes too long or one of its facts is refused;
// one that is refused alone is left out. It returns the registrations of those that were new.
func (w *worker) storeFacts(ctx context.Context, facts []store.Received, sizes *batches) (about map[string]bool, err error) {
	about = map[string]bool{}
	for len(facts) > 0 {
		batch := facts[:min(sizes.size, len(facts))]
		var result store.Result
		again, err := sizes.try(ctx, len(batch), func(ctx context.Context) (err error) {
			result, err = w.store.Process(ctx, batch)
			return err
		})
		switch {
		case again:
			continue
		case store.IsDataError(err) && len(batch) > 1:
			sizes.size = len(batch) / 2
			continue
		case store.IsDataError(err):
			w.log.Error("A registration could not be cleaned", append(eventFields(batch[0]), zap.Error(err))...)
		case err != nil:
			return about, err
		}
		for _, f := range batch {
			if result.Stored[f.ID] {
				about[f.Registration] = true
			}
		}
		w.reportLinks(result)
		facts = facts[len(batch):]
	}
	return about, nil
}

// raiseAttention tells of what has stayed unexplained for too long: payments and disputes without a
// registration, intents that succeeded without a payment.
func (w *worker) raiseAttention(ctx context.Context) error {
	err := newBatches().all(ctx, func(ctx context.Context, size int) (int64, error) {
		return w.store.RaiseUnlinked(ctx, attentionAge, size)
	})
	if err != nil {
		return err
	}
	sizes := newBatches()
	for {
		facts, err := w.store.Unconfirmed(ctx, attentionAge, sizes.size)
		if err != nil || len(facts) == 0 {
			return err
		}
		stored, err := w.storeFacts(ctx, facts, sizes)
		if err != nil || len(stored) == 0 {
			return err
		}
	}
}

// blank takes the personal data out of registrations that were removed long ago.
func (w *worker) blank(ctx context.Context) error {
	return newBatches().all(ctx, func(ctx context.Context, size int) (int64, error) {
		n, err := w.store.Blank(ctx, w.settings.Retention, size)
		if n > 0 {
			w.log.Info("Personal data of old registrations blanked", zap.Int64("registrations", n))
		}
		return n, err
	})
}

// awaitBacklog returns when the worker has processed all that the stream holds now, as a task needs it.
func (w *worker) awaitBacklog(ctx context.Context, task string) error {
	consumer, err := w.consumerInfo(ctx)
	if err != nil {
		return err
	}
	last := consumer.Delivered.Stream + consumer.NumPending
	told := false
	for consumer.NumPending+uint64(max(consumer.NumAckPending, 0)) > 0 && consumer.AckFloor.Stream < last {
		if !told {
			w.log.Info("A task waits for the backlog", zap.String("task", task), zap.Uint64("pending", consumer.NumPending), zap.Int("in_work", consumer.NumAckPending))
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
