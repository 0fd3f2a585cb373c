package acceptance

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// purchase is a registration and everything that Stripe says about its payments.
type purchase struct {
	id, event   string
	payments    []*simulate.Payment
	withSession bool // the platform notes the session on the row
	late        bool // the row is inserted after its events were sent
	events      []simulate.Event
}

// story writes the events of a purchase into p; at dates each later than the one before.
type story func(p *purchase, pay *simulate.Payment, at func() simulate.Option)

// stories are the ways in which a purchase goes.
func stories() []story {
	failed := func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
		p.events = append(p.events, pay.IntentMade(at()), pay.Failed(simulate.CardDeclined(), at()))
	}
	paid := func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
		p.events = append(p.events, pay.Succeeded(at()), pay.Charged(at()), pay.Completed(at()))
	}
	return []story{
		paid,
		failed,
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			failed(p, pay, at)
			paid(p, pay, at)
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			paid(p, pay, at)
			failed(p, pay, at)
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			p.events = append(p.events, pay.RequiresAction(at()), pay.Canceled("abandoned", at()), pay.SessionExpired(at()))
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			p.events = append(p.events, pay.RequiresAction(at()))
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			p.events = append(p.events, pay.SessionAbandoned(at()))
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			p.events = append(p.events, pay.CompletedUnpaid(at()), pay.Processing(at()), pay.AsyncSucceeded(at()))
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			p.events = append(p.events, pay.CompletedUnpaid(at()), pay.AsyncFailed(at()))
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			paid(p, pay, at)
			p.events = append(p.events, pay.Disputed(at()), pay.FundsWithdrawn(at()), pay.DisputeUpdated(at()), pay.DisputeClosed("won", at()))
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			paid(p, pay, at)
			p.events = append(p.events, pay.Disputed(at(), simulate.WithoutIntent()), pay.DisputeClosed("lost", at(), simulate.WithoutIntent()))
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			paid(p, pay, at)
			p.events = append(p.events, pay.Disputed(at()))
		},
		func(p *purchase, pay *simulate.Payment, at func() simulate.Option) {
			paid(p, pay, at)
			p.events = append(p.events, pay.Refunded(pay.Amount/2, at()), pay.Refunded(pay.Amount, at()))
		},
	}
}

// write makes n purchases and their events, dated within the hours before now.
func write(random *rand.Rand, stripe *simulate.Stripe, n int, now time.Time) []*purchase {
	var out []*purchase
	all := stories()
	for i := range n {
		p := &purchase{
			id: fmt.Sprintf("reg-%05d", i), event: fmt.Sprintf("event-%d", i%10),
			withSession: random.IntN(3) > 0, late: random.IntN(10) == 0,
		}
		began := now.Add(-time.Duration(1+random.IntN(6*3600)) * time.Second).Add(-10 * time.Minute).Truncate(time.Second)
		clock := began
		at := func() simulate.Option {
			clock = clock.Add(time.Duration(random.IntN(4)) * time.Second) // often within one second
			return simulate.At(clock)
		}
		pay := stripe.Payment(p.id)
		pay.SessionCreated, pay.IntentCreated, pay.SessionExpires = began, began.Add(5*time.Second), began.Add(24*time.Hour)
		p.payments = append(p.payments, pay)
		all[random.IntN(len(all))](p, pay, at)
		out = append(out, p)
	}
	return out
}
