package stripeevent

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/educareschool/guichet/pkg/registration"
)

// reader turns an event's data.object into a fact, or says why it is ignored.
type reader func(o members) (fact registration.Fact, ignored string, err error)

// readers are the event types that tell a fact.
var readers = map[string]reader{
	"checkout.session.completed":               session(completed),
	"checkout.session.async_payment_succeeded": session(asyncSucceeded),
	"checkout.session.async_payment_failed":    session(asyncFailed),
	"checkout.session.expired":                 session(expired),
	"payment_intent.payment_failed":            intent(intentFailed),
	"payment_intent.requires_action":           intent(requiresAction),
	"payment_intent.canceled":                  intent(canceled),
	"payment_intent.succeeded":                 intent(succeeded),
	"charge.dispute.created":                   dispute(registration.Disputed),
	"charge.dispute.closed":                    dispute(registration.DisputeClosed),
	"charge.dispute.updated":                   dispute(registration.DisputeUpdated),
	"charge.dispute.funds_withdrawn":           dispute(registration.DisputeUpdated),
	"charge.dispute.funds_reinstated":          dispute(registration.DisputeUpdated),
	"charge.refunded":                          refunded,
	"charge.refund.updated":                    refund,
	"refund.updated":                           refund,
	"refund.failed":                            refund,
}

// Handled returns whether events of this type tell facts.
func Handled(eventType string) bool {
	_, ok := readers[eventType]
	return ok
}

// Informs says whether events of this type tell only what changes no status: steps of a dispute, and what another
// type tells of a refund as well.
func Informs(eventType string) bool {
	switch eventType {
	case "charge.dispute.updated", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated", "refund.updated", "refund.failed":
		return true
	}
	return false
}

// Types returns the event types that tell facts, in order.
func Types() []string { return slices.Sorted(maps.Keys(readers)) }

func session(read func(members, *registration.Fact) error) reader {
	return func(o members) (registration.Fact, string, error) {
		if mode := text(o.Get("mode"), maxID); mode != "" && mode != "payment" {
			return registration.Fact{}, "session mode " + mode, nil
		}
		f := registration.Fact{Session: str(o.Get("id")), Intent: idOf(o.Get("payment_intent"))}
		if f.Session == "" {
			return f, "", errors.New("the session has no id")
		}
		return f, "", read(o, &f)
	}
}

func completed(o members, f *registration.Fact) error {
	switch status := text(o.Get("payment_status"), maxID); status {
	case "paid", "no_payment_required":
		return asyncSucceeded(o, f)
	case "unpaid":
		f.Kind = registration.PaymentProcessing
		return nil
	default:
		return fmt.Errorf("payment_status is %q", status)
	}
}

func asyncSucceeded(o members, f *registration.Fact) error {
	f.Kind = registration.Paid
	f.Amount, f.Currency = o.Get("amount_total").Int(), text(o.Get("currency"), 3)
	return nil
}

func asyncFailed(o members, f *registration.Fact) error {
	f.Kind, f.SessionAsync = registration.PaymentFailed, true
	f.Amount, f.Currency = o.Get("amount_total").Int(), text(o.Get("currency"), 3)
	return nil
}

func expired(_ members, f *registration.Fact) error {
	f.Kind = registration.SessionExpired
	return nil
}

func intent(read func(members, *registration.Fact)) reader {
	return func(o members) (registration.Fact, string, error) {
		f := registration.Fact{
			Intent: str(o.Get("id")), IntentCreated: created(o.Get("created")),
			Amount: o.Get("amount").Int(), Currency: text(o.Get("currency"), 3), // for the mails alone
		}
		if f.Intent == "" {
			return f, "", errors.New("the payment intent has no id")
		}
		read(o, &f)
		return f, "", nil
	}
}

func intentFailed(o members, f *registration.Fact) {
	f.Kind = registration.PaymentFailed
	last := o.Get("last_payment_error")
	f.Charge = cmp.Or(idOf(last.Get("charge")), latestCharge(o))
	f.Message = text(last.Get("message"), maxText)
	f.Code, f.DeclineCode = text(last.Get("code"), maxID), text(last.Get("decline_code"), maxID)
}

func requiresAction(o members, f *registration.Fact) {
	f.Kind = registration.ActionRequired
	f.ActionURL = text(o.Get("next_action.redirect_to_url.url"), 2048)
}

func canceled(o members, f *registration.Fact) {
	f.Kind, f.Reason = registration.IntentCanceled, text(o.Get("cancellation_reason"), maxText)
}

func succeeded(o members, f *registration.Fact) {
	f.Kind, f.Charge = registration.IntentSucceeded, latestCharge(o)
}

// latestCharge reads an intent's charge as newer and, failing that, as older API versions show it.
func latestCharge(o members) string {
	return cmp.Or(idOf(o.Get("latest_charge")), idOf(o.Get("charges.data.0")))
}

func dispute(kind registration.FactKind) reader {
	return func(o members) (registration.Fact, string, error) {
		charge := o.Get("charge")
		f := registration.Fact{
			Kind: kind, Charge: idOf(charge),
			Intent: cmp.Or(idOf(o.Get("payment_intent")), idOf(charge.Get("payment_intent"))),
			Reason: text(o.Get("reason"), maxText),
			Amount: o.Get("amount").Int(), Currency: text(o.Get("currency"), 3),
			Outcome: text(o.Get("status"), maxID),
			DueBy:   cmp.Or(created(o.Get("evidence_details.due_by")), created(o.Get("evidence_due_by"))),
		}
		f.Dispute = cmp.Or(str(o.Get("id")), f.Charge) // the oldest disputes had no id
		if f.Charge == "" && f.Intent == "" {
			return f, "", errors.New("the dispute names neither a charge nor an intent")
		}
		return f, "", nil
	}
}

func refunded(o members) (registration.Fact, string, error) {
	f := registration.Fact{
		Kind: registration.ChargeRefunded, Charge: str(o.Get("id")), Intent: idOf(o.Get("payment_intent")),
		FullyRefunded: o.Get("refunded").Bool(), Amount: o.Get("amount_refunded").Int(), Currency: text(o.Get("currency"), 3),
	}
	if f.Charge == "" {
		return f, "", errors.New("the charge has no id")
	}
	return f, "", nil
}

// refund reads a refund that came back; one that goes well is told by charge.refunded.
func refund(o members) (registration.Fact, string, error) {
	if status := text(o.Get("status"), maxID); status != "failed" && status != "canceled" {
		return registration.Fact{}, "refund is " + cmp.Or(status, "without status"), nil
	}
	f := registration.Fact{
		Kind: registration.RefundFailed, Refund: str(o.Get("id")),
		Charge: idOf(o.Get("charge")), Intent: idOf(o.Get("payment_intent")),
		Amount: o.Get("amount").Int(), Currency: text(o.Get("currency"), 3), Reason: text(o.Get("failure_reason"), maxText),
	}
	if f.Refund == "" || f.Charge == "" && f.Intent == "" {
		return f, "", errors.New("the refund names no charge")
	}
	return f, "", nil
}
