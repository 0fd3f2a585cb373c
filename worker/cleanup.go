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
		if err := w.awaitBacklog(ctx); err != nil {
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

// cleanOverdue stores, batch by batch, the facts that end what has passed its deadline.
func (w *worker) cleanOverdue(ctx context.Context) (found, cleaned int, err error) {
	var stayed []string
	size := cleanupSize
	for {
		overdue, err := w.store.Overdue(ctx, size, stayed)
		if err != nil || len(overdue) == 0 {
			return found, cleaned, err
		}
		found += len(overdue)
		var facts []store.Received
		var unanswered error
		for _, o := range overdue {
			if unanswered == nil {
				var more []store.Received
				more, unanswered = w.verdictOn(ctx, o)
				facts = append(facts, more...)
			}
		}
		about, left, err := w.storeFacts(ctx, facts, size)
		cleaned += len(about)
		size = left
		if err = errors.Join(err, unanswered); err != nil {
			return found, cleaned, err
		}
		for _, o := range overdue {
			if !about[o.Registration.ID] {
				stayed = append(stayed, o.Registration.ID)
			}
		}
	}
}

// storeFacts processes facts in batches of a size, of half of it where that takes too long or one of them is
// refused; one that is refused alone is left out. It returns the registrations of those that were new, and
// which size went well.
func (w *worker) storeFacts(ctx context.Context, facts []store.Received, size int) (about map[string]bool, left int, err error) {
	about = map[string]bool{}
	for len(facts) > 0 {
		batch := facts[:min(size, len(facts))]
		bounded, cancel := context.WithTimeout(ctx, cleanupTimeout)
		result, err := w.store.Process(bounded, batch)
		timedOut := bounded.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case (timedOut || store.IsDataError(err)) && len(batch) > 1:
			size = len(batch) / 2
			continue
		case store.IsDataError(err):
			w.log.Error("A registration could not be cleaned", append(eventFields(batch[0]), zap.Error(err))...)
		case err != nil:
			return about, size, err
		}
		for _, f := range batch {
			if result.Stored[f.ID] {
				about[f.Registration] = true
			}
		}
		w.reportLinks(result)
		facts = facts[len(batch):]
	}
	return about, size, nil
}

// raiseAttention tells of what has stayed unexplained for too long: payments and disputes without a
// registration, intents that succeeded without a payment.
func (w *worker) raiseAttention(ctx context.Context) error {
	for {
		n, err := w.store.RaiseUnlinked(ctx, attentionAge, cleanupSize)
		if err != nil {
			return err
		}
		if n < cleanupSize {
			break
		}
	}
	for {
		facts, err := w.store.Unconfirmed(ctx, attentionAge, cleanupSize)
		if err != nil || len(facts) == 0 {
			return err
		}
		stored, _, err := w.storeFacts(ctx, facts, cleanupSize)
		if err != nil || len(stored) == 0 {
			return err
		}
	}
}

// blank takes the personal data out of registrations that were removed long ago.
func (w *worker) blank(ctx context.Context) error {
	for {
		n, err := w.store.Blank(ctx, w.settings.Retention, cleanupSize)
		if n > 0 {
			w.log.Info("Personal data of old registrations blanked", zap.Int64("registrations", n))
		}
		if err != nil || n < cleanupSize {
			return err
		}
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
