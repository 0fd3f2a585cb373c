package demo

import (
	"context"
	"errors"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/simulate"
)

// scenario is a case of the guide, or several that only come about together. It returns what to wait for.
type scenario struct {
	title string
	play  func(context.Context, *play) ([]Outcome, error)
}

// Whether a case ends with a place.
const (
	held = true
	free = false
)

// player plays a case of one registration, and returns it and the answers to the events that it sent.
type player func(context.Context, *play) (registration, answers string, err error)

func cases() []scenario {
	return []scenario{
		sequence("paid", "PAID", held, func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Succeeded(), b.Completed()}
		}),
		sequence("card 4000000000000002 declined", "FAILED", held, func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Failed(simulate.CardDeclined())}
		}),
		sequence("declined, then paid by another card", "PAID", held, func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Failed(simulate.CardDeclined()), b.Completed()}
		}),
		sequence("canceled", "CANCELED", free, func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Canceled("requested_by_customer")}
		}),
		sequence("3-D Secure asked for", "PENDING", held, func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.RequiresAction()}
		}),
		sequence("session expired", "EXPIRED", free, func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.SessionAbandoned()}
		}),
		sequence("paid, then disputed", "FAILED", held, func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Succeeded(), b.Completed(), b.Disputed()}
		}),
		sequence("paid, delivered three times", "PAID", held, func(b *simulate.Payment) []simulate.Event {
			completed := b.Completed()
			return []simulate.Event{completed, completed, completed}
		}),
		single("paid, but with a bad signature", "PENDING", held, badSignature),
		sequence("paid, then a late failure", "PAID", held, func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Completed(), b.Failed(simulate.CardDeclined())}
		}),
		single("last place, the second buyer refused", "PAID", held, lastPlace),
	}
}

// single is a scenario of one case, about one registration.
func single(title, status string, seat bool, act player) scenario {
	return scenario{title, func(ctx context.Context, p *play) ([]Outcome, error) {
		registration, answers, err := act(ctx, p)
		return []Outcome{{Case: title, Registration: registration, Answers: answers, want: end{status: status, seat: seat}}}, err
	}}
}

// sequence buys a place of the workshop and sends the events of one payment.
func sequence(title, status string, seat bool, events func(*simulate.Payment) []simulate.Event) scenario {
	return single(title, status, seat, func(ctx context.Context, p *play) (string, string, error) {
		payment, err := p.buy(ctx, p.workshop)
		if err != nil {
			return "", "", err
		}
		answers, err := p.send(ctx, p.target.WebhookSecret, events(payment)...)
		return payment.Registration, answers, err
	})
}

func badSignature(ctx context.Context, p *play) (string, string, error) {
	payment, err := p.buy(ctx, p.workshop)
	if err != nil {
		return "", "", err
	}
	answers, err := p.send(ctx, "whsec_of_somebody_else", payment.Completed())
	return payment.Registration, answers, err
}

// lastPlace sells the one place of an event and tries to sell it again, which the database refuses.
func lastPlace(ctx context.Context, p *play) (string, string, error) {
	payment, err := p.buy(ctx, p.last)
	if err != nil {
		return "", "", err
	}
	_, err = p.register(ctx, p.last)
	var refused *pq.Error
	if !errors.As(err, &refused) || refused.Constraint != "events_never_oversold" {
		return "", "", errors.Join(errors.New("the database let the last place be sold twice"), err)
	}
	answers, err := p.send(ctx, p.target.WebhookSecret, payment.Completed())
	return payment.Registration, answers, err
}
