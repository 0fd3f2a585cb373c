package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// verdictOn says which facts end an overdue registration's wait: the clock's, or, where there is a key and a
// session, what Stripe answers about it. None leaves the row as it is, until the next run.
func (w *worker) verdictOn(ctx context.Context, o store.Standing) ([]store.Received, error) {
	if o.Fact.ID == "" {
		return nil, nil
	}
	id := o.Registration.ID
	if !w.asks(o) {
		return []store.Received{store.Own(id, o.Fact)}, nil
	}
	answer, account, err := w.askSession(ctx, o)
	if err != nil {
		w.leave(o, err.Error())
		if errors.Is(err, lookup.ErrUnexpected) {
			err = nil // the others may fare better
		}
		return nil, err
	}
	switch answer.Outcome {
	case lookup.Paid, lookup.Processing, lookup.Failed, lookup.Expired:
		facts := ended(id, account, answer)
		if o.State.Lapse == registration.HoldExpired && answer.Outcome == lookup.Failed {
			facts = append(facts, store.Own(id, o.Fact)) // it failed: that it did is no news
		}
		return facts, nil
	case lookup.Open:
		if o.State.Lapse == registration.HoldExpired {
			return []store.Received{store.Own(id, o.Fact)}, nil // it may be paid yet, and has no place till then
		}
		if !answer.Expires.Add(w.settings.ExpiryGrace).After(o.State.Deadline) {
			w.leave(o, "the session is still open past its own expiry")
			return nil, nil
		}
		return []store.Received{store.Own(id, stillOpen(o.Session, answer.Expires))}, nil
	default:
		w.leave(o, answer.Why)
		return nil, nil
	}
}

// askSession asks how a registration's session stands, and returns whose it is. Where no event has told the
// account yet, the key's own is asked first, then each connected one whose events count.
func (w *worker) askSession(ctx context.Context, o store.Standing) (answer lookup.SessionAnswer, account string, err error) {
	answer, err = w.lookup.Session(ctx, o.Account, o.Session)
	if o.Account != "" {
		return answer, o.Account, err
	}
	for _, account := range w.settings.Accounts {
		if err != nil || answer.Outcome != lookup.NotFound {
			break
		}
		if account == "*" {
			continue
		}
		there, err := w.lookup.Session(ctx, account, o.Session)
		switch {
		case errors.Is(err, lookup.ErrRefused): // an account that has left says nothing about the session
		case err != nil || there.Outcome != lookup.NotFound:
			return there, account, err
		}
	}
	return answer, "", err
}

// ended are the facts of a session that has ended or been completed, as Stripe answered; none of one that has not.
func ended(id, account string, answer lookup.SessionAnswer) []store.Received {
	var facts []store.Received
	for _, f := range answer.Facts {
		told := store.Own(id, f)
		told.Livemode, told.Account = answer.Live, account // mails to the admin link to where it is
		facts = append(facts, told)
	}
	return facts
}

// asks says whether Stripe has the word on an overdue registration.
func (w *worker) asks(o store.Standing) bool { return w.lookup != nil && o.Session != "" }

// stillOpen is Stripe's word that a session can be paid until a time: it moves the deadline.
func stillOpen(session string, until time.Time) registration.Fact {
	return registration.Fact{
		ID:   fmt.Sprintf("lookup:%s:%s:%d", registration.SessionOpen, session, until.Unix()),
		Kind: registration.SessionOpen, Source: registration.FromLookup, Created: until, Session: session, DueBy: until,
	}
}

func (w *worker) leave(o store.Standing, why string) {
	w.log.Warn("A registration past its deadline is left as it is", zap.String(logging.RegistrationID, o.Registration.ID), zap.String("reason", why))
}
