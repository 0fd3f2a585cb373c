package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/backfill"
	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
)

const (
	// reconcileMark is up to when everything undelivered was brought in.
	reconcileMark = "reconcile"
	// firstLook is how far back the first run looks: as long as Stripe itself tries to deliver an event.
	firstLook = 72 * time.Hour
	// lookOverlap is how much of what a run has looked at the next one looks at again, should the list lag behind.
	lookOverlap = time.Hour
	// backfillAgain is after how long an event is brought in again that never came to the inbox: it became a dead
	// letter, or was lost with its stream.
	backfillAgain = 7 * 24 * time.Hour

	// pendingAge is how long a registration has been pending before Stripe is asked for its session, pendingAgain
	// how long until it is asked again, and pendingSize how many are asked for in one run.
	pendingAge   = time.Hour
	pendingAgain = 6 * time.Hour
	pendingSize  = 200

	// backlogPatience is how long the questions about pending registrations wait for the backlog: a run without
	// them is better than none.
	backlogPatience = time.Minute
)

// reconcile asks Stripe what never came, on one worker at a time: the events that it could not deliver, and how
// the sessions of registrations stand that stay pending.
func (w *worker) reconcile(ctx context.Context) error {
	return w.alone(ctx, store.ReconcileLock, func(ctx context.Context) error {
		return errors.Join(w.backfill(ctx), w.askPending(ctx))
	})
}

// backfill brings in what was made since the last run that went well. While Stripe is silent it looks at what
// Stripe says it delivered, too: to an endpoint that is gone or disabled nothing is sent that could fail.
func (w *worker) backfill(ctx context.Context) error {
	began := time.Now()
	query, err := w.lookFrom(ctx, began)
	if err != nil {
		return err
	}
	b := backfill.Backfill{
		Stripe: w.lookup, Store: w.store, JS: w.js, Accounts: w.settings.Accounts,
		Elsewhere: func(ctx context.Context, ids []string) (map[string]bool, error) {
			return w.store.Backfilled(ctx, ids, backfillAgain)
		},
		Found: func(e backfill.Event) {
			w.log.Warn("An event of Stripe's never came, it is brought in",
				zap.String(logging.EventID, e.ID), zap.String(logging.EventType, e.Type), zap.Time("created", e.Created))
		},
	}
	result, err := b.Apply(ctx, query)
	w.metrics.backfilled.Add(float64(result.Published))
	if result.Published > 0 {
		w.log.Info("Events that Stripe could not deliver were brought in", zap.Int("events", result.Published), zap.Int("listed", result.Listed))
	}
	if errors.Is(err, stream.ErrMayNotPublish) {
		err = fmt.Errorf("%w: a worker that reconciles needs that right, or RECONCILE_INTERVAL=0", err)
	}
	if err != nil {
		return err
	}
	if err := w.store.ForgetBackfilled(ctx, lookup.EventsListed+backfillAgain); err != nil {
		return err
	}
	return w.store.SetMark(ctx, reconcileMark, began)
}

// lookFrom says which events are asked for.
func (w *worker) lookFrom(ctx context.Context, now time.Time) (backfill.Query, error) {
	mark, err := w.store.Mark(ctx, reconcileMark)
	if err != nil {
		return backfill.Query{}, err
	}
	silence, err := w.store.Silence(ctx)
	if err != nil {
		return backfill.Query{}, err
	}
	since := mark.Add(-lookOverlap)
	if mark.IsZero() {
		since = now.Add(-firstLook)
	}
	if !silence.IsZero() && silence.Add(-lookOverlap).Before(since) {
		since = silence.Add(-lookOverlap)
	}
	if oldest := now.Add(-lookup.EventsListed); since.Before(oldest) {
		since = oldest
	}
	return backfill.Query{Since: since, All: !silence.IsZero()}, nil
}

// askPending asks for the sessions of registrations that stay pending: their event may never have been made.
// As cleanup it acts only when everything that the stream held has been processed: some of it may be theirs.
func (w *worker) askPending(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, backlogPatience)
	defer cancel()
	if err := w.awaitBacklog(bounded, taskReconcile); err != nil {
		return fmt.Errorf("wait for the backlog, to ask about pending registrations: %w", err)
	}
	pending, err := w.store.Pending(ctx, pendingAge, pendingAgain, pendingSize)
	if err != nil {
		return err
	}
	var asked []string
	var facts []store.Received
	var unanswered error
	for _, p := range pending {
		if w.asks(p) {
			answer, account, err := w.askSession(ctx, p)
			if err != nil && !errors.Is(err, lookup.ErrUnexpected) {
				unanswered = err
				break // the others would fare no better
			}
			if err != nil {
				w.log.Warn("Stripe did not say how a session stands", zap.String(logging.RegistrationID, p.Registration.ID), zap.Error(err))
			}
			facts = append(facts, ended(p.Registration.ID, account, answer)...)
		}
		asked = append(asked, p.Registration.ID)
	}
	about, err := w.storeFacts(ctx, facts, newBatches())
	if len(about) > 0 {
		w.log.Info("Stripe's answers settled registrations that were pending", zap.Int("registrations", len(about)))
	}
	if err != nil {
		return errors.Join(err, unanswered)
	}
	return errors.Join(w.store.NotePending(ctx, asked), unanswered)
}
