package traffic

import (
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// story is how a purchase goes: one of the shares of all.
type story struct {
	share int // of a hundred
	steps []step
}

// step is an event of a story and how long after the purchase's start it is made.
type step struct {
	mould string
	after time.Duration
}

// stories are what buyers do. Together they have every type of event that pkg/simulate knows.
func stories() []story {
	const s, min, hour = time.Second, time.Minute, time.Hour
	paid := []step{{"created", 0}, {"charged", 40 * s}, {"succeeded", 41 * s}, {"completed", 42 * s}}
	after := func(begin []step, more ...step) []step { return append(begin[:len(begin):len(begin)], more...) }
	return []story{
		{50, after(paid, step{"customer", 43 * s})},
		{10, []step{{"created", 0}, {"requires action", 20 * s}, {"charged", 60 * s}, {"succeeded", 61 * s}, {"completed", 62 * s}}},
		{10, []step{{"created", 0}, {"failed", 30 * s}, {"charged", 90 * s}, {"succeeded", 91 * s}, {"completed", 92 * s}}},
		{5, []step{{"created", 0}, {"failed", 30 * s}, {"customer", 31 * s}}},
		{5, []step{{"created", 0}, {"failed", 30 * s}, {"expired", 24 * hour}}},
		{4, []step{{"abandoned", 24 * hour}}},
		{3, []step{{"created", 0}, {"canceled", 5 * min}}},
		{3, []step{{"created", 0}, {"completed unpaid", 40 * s}, {"processing", 41 * s}, {"charged", 48 * hour}, {"async succeeded", 48 * hour}}},
		{1, []step{{"created", 0}, {"completed unpaid", 40 * s}, {"processing", 41 * s}, {"async failed", 48 * hour}}},
		{1, []step{{"completed free", 20 * s}, {"thin", 21 * s}}},
		{4, after(paid, step{"refunded", 50 * hour}, step{"refund updated", 51 * hour})},
		{1, after(paid, step{"refunded", 50 * hour}, step{"refund failed", 53 * hour})},
		{2, after(paid, step{"disputed", 60 * hour}, step{"withdrawn", 60 * hour}, step{"dispute updated", 61 * hour}, step{"lost", 90 * hour})},
		{1, after(paid, step{"disputed", 60 * hour}, step{"dispute updated", 61 * hour}, step{"reinstated", 90 * hour}, step{"won", 90 * hour})},
	}
}

func moulds() map[string]*mould {
	type payment = simulate.Payment
	of := func(build func(*payment, ...simulate.Option) simulate.Event) *mould {
		return makeMould(func(_ *simulate.Stripe, p *payment, o ...simulate.Option) simulate.Event { return build(p, o...) })
	}
	card := simulate.CardDeclined()
	return map[string]*mould{
		"created":          of((*payment).IntentMade),
		"processing":       of((*payment).Processing),
		"requires action":  of((*payment).RequiresAction),
		"charged":          of((*payment).Charged),
		"succeeded":        of((*payment).Succeeded),
		"completed":        of((*payment).Completed),
		"completed unpaid": of((*payment).CompletedUnpaid),
		"completed free":   of((*payment).CompletedFree),
		"async succeeded":  of((*payment).AsyncSucceeded),
		"async failed":     of((*payment).AsyncFailed),
		"expired":          of((*payment).SessionExpired),
		"abandoned":        of((*payment).SessionAbandoned),
		"failed":           of(func(p *payment, o ...simulate.Option) simulate.Event { return p.Failed(card, o...) }),
		"canceled": of(func(p *payment, o ...simulate.Option) simulate.Event {
			return p.Canceled("requested_by_customer", o...)
		}),
		"refunded":       of(func(p *payment, o ...simulate.Option) simulate.Event { return p.Refunded(p.Amount, o...) }),
		"refund updated": of(func(p *payment, o ...simulate.Option) simulate.Event { return p.RefundUpdated("succeeded", o...) }),
		"refund failed": of(func(p *payment, o ...simulate.Option) simulate.Event {
			return p.RefundFailed("lost_or_stolen_card", o...)
		}),
		"disputed":        of((*payment).Disputed),
		"dispute updated": of((*payment).DisputeUpdated),
		"withdrawn":       of((*payment).FundsWithdrawn),
		"reinstated":      of((*payment).FundsReinstated),
		"lost":            of(func(p *payment, o ...simulate.Option) simulate.Event { return p.DisputeClosed(simulate.Lost, o...) }),
		"won":             of(func(p *payment, o ...simulate.Option) simulate.Event { return p.DisputeClosed(simulate.Won, o...) }),
		"thin":            makeMould(func(s *simulate.Stripe, _ *payment, o ...simulate.Option) simulate.Event { return s.Thin(o...) }),
		"customer": makeMould(func(s *simulate.Stripe, _ *payment, o ...simulate.Option) simulate.Event {
			return s.Unrelated("", o...)
		}),
	}
}
