package worker

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

const (
	// askInterval is how often events are looked for that name nobody, unless one wakes the task.
	askInterval = 30 * time.Second
	// askSize is how many of them one look takes.
	askSize = 50
	// askAgain is after how long Stripe is asked about the same event again.
	askAgain = time.Hour
	// askAge is up to what age events are asked about.
	askAge = 3 * 24 * time.Hour
)

// ask has Stripe tell whose payment an event concerns that names no registration and that nothing ties to
// one, as disputes do. The answer is a fact, which ties the event's ids together.
func (w *worker) ask(ctx context.Context) error {
	for {
		questions, err := w.store.Questions(ctx, askAge, askAgain, askSize)
		if err != nil || len(questions) == 0 {
			return err
		}
		var asked []string
		var problem error
		for _, q := range questions {
			if problem = w.askWhose(ctx, q); problem != nil && !errors.Is(problem, lookup.ErrUnexpected) {
				break
			}
			asked = append(asked, q.ID)
		}
		if err := w.store.Asked(ctx, asked); err != nil {
			return err
		}
		if problem != nil && !errors.Is(problem, lookup.ErrUnexpected) {
			return problem
		}
	}
}

func (w *worker) askWhose(ctx context.Context, q store.Question) error {
	place, err := w.lookup.Locate(ctx, q.Account, q.Charge, q.Intent)
	if err != nil {
		w.log.Warn("Stripe did not say whose an event is", zap.String(logging.EventID, q.ID), zap.Error(err))
		return err
	}
	if place == (lookup.Place{}) {
		return nil
	}
	result, err := w.store.Process(ctx, []store.Received{located(q, place)})
	if err != nil {
		return err
	}
	w.reportLinks(result)
	return nil
}

// located is Stripe's answer as a fact; another answer is another fact.
func located(q store.Question, p lookup.Place) store.Received {
	f := registration.Fact{
		Kind: registration.Located, Source: registration.FromLookup, Created: time.Now().UTC().Truncate(time.Second),
		Session: p.Session, Intent: p.Intent, Charge: p.Charge,
	}
	f.ID = strings.Join([]string{"lookup", string(f.Kind), q.Charge, p.Intent, p.Session, p.Registration}, ":")
	e := store.Own(p.Registration, f)
	e.Account = q.Account
	return e
}
