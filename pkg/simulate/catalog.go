package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Choices picks among the variants of an event type; what is left empty is the usual one.
type Choices struct {
	Mode          string // of a completed session: payment, setup, subscription
	PaymentStatus string // of a completed session: paid, unpaid, no_payment_required
	Decline       string // of a failure: one of DeclineNames
	Reason        string // of a cancellation or a failed refund
	DisputeStatus string // of a dispute; won, lost or warning_closed for a closed one
	RefundStatus  string // of charge.refund.updated
	RefundTotal   int64  // minor units refunded in all; 0 is all of the amount
	Abandoned     bool   // an expired session that nobody tried to pay
}

// Kind is a type of event that can be made.
type Kind struct {
	Type, About string
	build       func(*Payment, Choices, []Option) (Event, error)
}

// UnknownTypeError is returned for a type that is not in the Catalog.
type UnknownTypeError struct{ Type string }

// Error names the types that are known, the closest first.
func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("no event of type %q is known; known are %s", e.Type, strings.Join(Closest(e.Type), ", "))
}

// Build makes one event of a type. It fails with an UnknownTypeError, or where a choice is none of those
// that the type has.
func (p *Payment) Build(eventType string, c Choices, options ...Option) (Event, error) {
	for _, k := range Catalog() {
		if k.Type == eventType {
			return k.build(p, c, options)
		}
	}
	return Event{}, &UnknownTypeError{eventType}
}

// Catalog lists what can be made, in the order of a purchase's life.
func Catalog() []Kind {
	return []Kind{
		{"checkout.session.completed", "the buyer is through; confirms when paid", buildCompleted},
		{"checkout.session.async_payment_succeeded", "a delayed payment arrived; confirms", always((*Payment).AsyncSucceeded)},
		{"checkout.session.async_payment_failed", "a delayed payment will not arrive", always((*Payment).AsyncFailed)},
		{"checkout.session.expired", "the session's time is up", buildExpired},
		{"payment_intent.created", "ignored", always((*Payment).IntentMade)},
		{"payment_intent.processing", "ignored", always((*Payment).Processing)},
		{"payment_intent.requires_action", "3-D Secure", always((*Payment).RequiresAction)},
		{"payment_intent.payment_failed", "a card was declined", buildFailed},
		{"payment_intent.canceled", "the payment was given up", buildCanceled},
		{"payment_intent.succeeded", "money is in; does not confirm by itself", always((*Payment).Succeeded)},
		{"charge.succeeded", "ignored", always((*Payment).Charged)},
		{"charge.refunded", "money went back, in full or in part", buildRefunded},
		{"charge.refund.updated", "a refund failed, or went on", buildRefundUpdated},
		{"refund.failed", "a refund came back", buildRefundFailed},
		{"charge.dispute.created", "the buyer contests the charge", buildDispute("charge.dispute.created", NeedsResponse, WarningNeedsResponse, UnderReview, WarningUnderReview)},
		{"charge.dispute.updated", "evidence was sent", buildDispute("charge.dispute.updated", UnderReview, NeedsResponse, WarningNeedsResponse, WarningUnderReview)},
		{"charge.dispute.funds_withdrawn", "the bank took the money back", buildDispute("charge.dispute.funds_withdrawn", NeedsResponse, UnderReview, Lost)},
		{"charge.dispute.funds_reinstated", "the bank returned the money", buildDispute("charge.dispute.funds_reinstated", Won, UnderReview, NeedsResponse)},
		{"charge.dispute.closed", "the bank has decided", buildDispute("charge.dispute.closed", Lost, Won, WarningClosed)},
		{"customer.created", "ignored", func(p *Payment, _ Choices, o []Option) (Event, error) {
			return p.stripe.Unrelated("customer.created", o...), nil
		}},
		{ThinType, "a v2 event, without an object; ignored", func(p *Payment, _ Choices, o []Option) (Event, error) {
			return p.stripe.Thin(o...), nil
		}},
	}
}

func always(build func(*Payment, ...Option) Event) func(*Payment, Choices, []Option) (Event, error) {
	return func(p *Payment, _ Choices, o []Option) (Event, error) { return build(p, o...), nil }
}

func buildCompleted(p *Payment, c Choices, o []Option) (Event, error) {
	mode, err := oneOf("mode", c.Mode, "payment", "setup", "subscription")
	if err != nil {
		return Event{}, err
	}
	status, err := oneOf("payment status", c.PaymentStatus, "paid", "unpaid", "no_payment_required")
	switch {
	case err != nil:
		return Event{}, err
	case mode != "payment":
		return p.InMode(mode, o...), nil
	case status == "unpaid":
		return p.CompletedUnpaid(o...), nil
	case status == "no_payment_required":
		return p.CompletedFree(o...), nil
	}
	return p.Completed(o...), nil
}

func buildExpired(p *Payment, c Choices, o []Option) (Event, error) {
	if c.Abandoned {
		return p.SessionAbandoned(o...), nil
	}
	return p.SessionExpired(o...), nil
}

func buildFailed(p *Payment, c Choices, o []Option) (Event, error) {
	known := declines()
	name, err := oneOf("decline", c.Decline, append([]string{"generic_decline"}, DeclineNames()...)...)
	if err != nil {
		return Event{}, err
	}
	return p.Failed(known[name], o...), nil
}

func buildCanceled(p *Payment, c Choices, o []Option) (Event, error) {
	return p.Canceled(cmp.Or(c.Reason, "requested_by_customer"), o...), nil
}

func buildRefunded(p *Payment, c Choices, o []Option) (Event, error) {
	if c.RefundTotal < 0 || c.RefundTotal > p.Amount {
		return Event{}, fmt.Errorf("a refund of %d is not between 0 and the %d paid", c.RefundTotal, p.Amount)
	}
	return p.Refunded(cmp.Or(c.RefundTotal, p.Amount), o...), nil
}

func buildRefundUpdated(p *Payment, c Choices, o []Option) (Event, error) {
	status, err := oneOf("refund status", c.RefundStatus, "failed", "succeeded", "pending", "canceled")
	return p.RefundUpdated(status, o...), err
}

func buildRefundFailed(p *Payment, c Choices, o []Option) (Event, error) {
	return p.RefundFailed(cmp.Or(c.Reason, failureOf("failed")), o...), nil
}

func buildDispute(eventType string, statuses ...string) func(*Payment, Choices, []Option) (Event, error) {
	return func(p *Payment, c Choices, o []Option) (Event, error) {
		status, err := oneOf("dispute status of "+eventType, c.DisputeStatus, statuses...)
		if err != nil {
			return Event{}, err
		}
		return p.dispute(eventType, status, o...), nil
	}
}

// oneOf returns the value, or the first of those allowed for none.
func oneOf(what, value string, allowed ...string) (string, error) {
	if value == "" {
		return allowed[0], nil
	}
	if !slices.Contains(allowed, value) {
		slices.Sort(allowed)
		return "", fmt.Errorf("%s is %q: it must be one of %s", what, value, strings.Join(slices.Compact(allowed), ", "))
	}
	return value, nil
}
