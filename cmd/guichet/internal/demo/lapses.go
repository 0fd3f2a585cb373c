package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// lapses are cases whose time has passed before the demo began: rows and events of these are dated back, and
// the worker's next cleanup ends them.
func lapses(h Holds) []scenario {
	return []scenario{
		single("session over "+inWords(h.ExpiryGrace+time.Hour)+" ago, no event came", "EXPIRED", free, overLongAgo(h)),
		single("declined "+inWords(h.Failed+time.Hour)+" ago", "FAILED", free, declinedLongAgo(h)),
		{"paid too late, and the places are gone", waitingList(h)},
		{"canceled long ago", removedLongAgo(h)},
	}
}

const day = 24 * time.Hour

// inWords says a time in whole days, or in hours where it has few.
func inWords(d time.Duration) string {
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return fmt.Sprintf("%d h", d/time.Hour)
}

// longAgo is the Stripe of that time: what it makes is that old.
func (p *play) longAgo(age time.Duration) *simulate.Stripe {
	then := time.Now().Add(-age)
	return simulate.New(p.random, func() time.Time { return then })
}

// buyLongAgo is a registration whose session has been over, grace included, for an hour.
func (p *play) buyLongAgo(ctx context.Context, event string, h Holds) (*simulate.Payment, error) {
	id, err := p.register(ctx, event)
	if err != nil {
		return nil, err
	}
	payment := p.longAgo(day + h.ExpiryGrace + time.Hour).Payment(id) // a session lives for a day
	return payment, p.setSession(ctx, payment)
}

// overLongAgo is the session of which Stripe never told how it ended.
func overLongAgo(h Holds) player {
	return func(ctx context.Context, p *play) (string, string, error) {
		payment, err := p.buyLongAgo(ctx, p.workshop, h)
		if err != nil {
			return "", "", err
		}
		return payment.Registration, "", nil
	}
}

// declinedLongAgo is the failure that nothing followed. Its row is young: cleanup could take one as old as the
// failure for abandoned before the event comes.
func declinedLongAgo(h Holds) player {
	return func(ctx context.Context, p *play) (string, string, error) {
		id, err := p.register(ctx, p.workshop)
		if err != nil {
			return "", "", err
		}
		answers, err := p.send(ctx, p.target.WebhookSecret, p.longAgo(h.Failed+time.Hour).Payment(id).Failed(simulate.CardDeclined()))
		return id, answers, err
	}
}

// waitingList has two sessions run out unheard of, and sells their places to two others. Then both turn out to
// have been paid: they have no place until a declined payment's hold is over. It goes to the older payment,
// although that one's event comes last.
func waitingList(h Holds) func(context.Context, *play) ([]Outcome, error) {
	return func(ctx context.Context, p *play) ([]Outcome, error) {
		var late []*simulate.Payment
		for range 2 {
			payment, err := p.buyLongAgo(ctx, p.rush, h)
			if err != nil {
				return nil, err
			}
			late = append(late, payment)
		}
		for _, payment := range late {
			if err := p.await(ctx, &Outcome{Case: "its session is over", Registration: payment.Registration, want: end{status: "EXPIRED"}}); err != nil {
				return nil, err
			}
		}
		if _, err := p.buy(ctx, p.rush); err != nil {
			return nil, err
		}
		declined, err := p.register(ctx, p.rush)
		if err != nil {
			return nil, err
		}
		first := Outcome{Case: "paid too late, then a place came free", Registration: late[0].Registration, want: end{status: "PAID", seat: true}}
		next := Outcome{Case: "paid too late as well, next in line", Registration: late[1].Registration, want: end{status: "PAID"}}
		paidAt := late[0].SessionCreated.Add(time.Hour)
		if next.Answers, err = p.send(ctx, p.target.WebhookSecret, late[1].Completed(simulate.At(paidAt.Add(time.Minute)))); err != nil {
			return nil, err
		}
		if first.Answers, err = p.send(ctx, p.target.WebhookSecret, late[0].Completed(simulate.At(paidAt))); err != nil {
			return nil, err
		}
		_, err = p.send(ctx, p.target.WebhookSecret, p.longAgo(h.Failed+time.Hour).Payment(declined).Failed(simulate.CardDeclined()))
		return []Outcome{first, next}, err
	}
}

// removedLongAgo dates the removal back, which the platform never does.
func removedLongAgo(h Holds) func(context.Context, *play) ([]Outcome, error) {
	return func(ctx context.Context, p *play) ([]Outcome, error) {
		age := h.PersonalData + day
		id, err := p.register(ctx, p.workshop)
		if err != nil {
			return nil, err
		}
		answers, err := p.send(ctx, p.target.WebhookSecret, p.longAgo(age).Payment(id).Canceled("abandoned"))
		if err != nil {
			return nil, err
		}
		const update = `UPDATE registrations SET removed_at = removed_at - $2 * interval '1 second' WHERE id = $1`
		if _, err := p.db.ExecContext(ctx, update, id, age.Seconds()); err != nil {
			return nil, fmt.Errorf("date the removal back: %w", err)
		}
		title := "canceled " + inWords(age) + " ago: name and address blanked"
		return []Outcome{{Case: title, Registration: id, Answers: answers, want: end{status: "CANCELED", blank: true}}}, nil
	}
}
