package demo

import (
	"context"
	"errors"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/simulate"
)

// scenario is one case of the guide. It returns the registration that it is about and Stripe's answers.
type scenario struct {
	title, want string
	play        func(context.Context, *play) (registration, answers string, err error)
}

func cases() []scenario {
	return []scenario{
		sequence("paid", "PAID", func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Succeeded(), b.Completed()}
		}),
		sequence("card 4000000000000002 declined", "FAILED", func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Failed(simulate.CardDeclined())}
		}),
		sequence("declined, then paid by another card", "PAID", func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Failed(simulate.CardDeclined()), b.Completed()}
		}),
		sequence("canceled", "CANCELED", func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Canceled("requested_by_customer")}
		}),
		sequence("3-D Secure asked for", "PENDING", func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.RequiresAction()}
		}),
		sequence("session expired", "EXPIRED", func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.SessionAbandoned()}
		}),
		sequence("paid, then disputed", "FAILED", func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Succeeded(), b.Completed(), b.Disputed()}
		}),
		sequence("paid, delivered three times", "PAID", func(b *simulate.Payment) []simulate.Event {
			paid := b.Completed()
			return []simulate.Event{paid, paid, paid}
		}),
		{"paid, but with a bad signature", "PENDING", badSignature},
		sequence("paid, then a late failure", "PAID", func(b *simulate.Payment) []simulate.Event {
			return []simulate.Event{b.Completed(), b.Failed(simulate.CardDeclined())}
		}),
		{"last place, the second buyer refused", "PAID", lastPlace},
	}
}

// sequence buys a place of the workshop and sends the events of one payment.
func sequence(title, want string, events func(*simulate.Payment) []simulate.Event) scenario {
	return scenario{title, want, func(ctx context.Context, p *play) (string, string, error) {
		payment, err := p.buy(ctx, p.workshop)
		if err != nil {
			return "", "", err
		}
		answers, err := p.send(ctx, p.target.WebhookSecret, events(payment)...)
		return payment.Registration, answers, err
	}}
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
