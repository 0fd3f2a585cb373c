package stripeevent

import (
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

func TestDisputes(t *testing.T) {
	t.Parallel()
	due := time.Unix(1_791_000_000, 0).UTC()
	opened := registration.Fact{
		Kind: registration.Disputed, Dispute: "dp_1", Charge: "ch_1", Intent: "pi_1", Reason: "fraudulent",
		Amount: 2500, Currency: "eur", DueBy: due, Outcome: "needs_response",
	}
	const money = `"reason":"fraudulent","amount":2500,"currency":"eur","evidence_details":{"due_by":1791000000}`
	const usual = `{"id":"dp_1","charge":"ch_1","payment_intent":"pi_1","status":"needs_response",` + money + `}`
	as := func(change func(*registration.Fact)) registration.Fact {
		f := opened
		change(&f)
		return f
	}
	information := as(func(f *registration.Fact) { f.Kind = registration.DisputeUpdated })
	testTold(t, []told{
		{"created", "charge.dispute.created", usual, opened},
		{"updated", "charge.dispute.updated", usual, information},
		{"the money is withdrawn", "charge.dispute.funds_withdrawn", usual, information},
		{"the money is back", "charge.dispute.funds_reinstated", usual, information},
		{"closed", "charge.dispute.closed",
			`{"id":"dp_1","charge":"ch_1","payment_intent":"pi_1","status":"warning_closed",` + money + `}`,
			as(func(f *registration.Fact) { f.Kind, f.Outcome = registration.DisputeClosed, "warning_closed" })},
		{"without an intent", "charge.dispute.created",
			`{"id":"dp_1","charge":"ch_1","payment_intent":null,"status":"needs_response",` + money + `}`,
			as(func(f *registration.Fact) { f.Intent = "" })},
		{"both expanded", "charge.dispute.created",
			`{"id":"dp_1","charge":{"id":"ch_1"},"payment_intent":{"id":"pi_1"},"status":"needs_response",` + money + `}`, opened},
		{"the expanded charge alone naming the intent", "charge.dispute.created",
			`{"id":"dp_1","charge":{"id":"ch_1","payment_intent":"pi_1"},"payment_intent":null,"status":"needs_response",` + money + `}`, opened},
		{"naming the intent alone", "charge.dispute.created",
			`{"id":"dp_1","charge":null,"payment_intent":"pi_1","status":"needs_response",` + money + `}`,
			as(func(f *registration.Fact) { f.Charge = "" })},
		{"ancient: no id, and evidence that is a text", "charge.dispute.closed",
			`{"object":"dispute","charge":"ch_1","status":"won","reason":"general","amount":2500,"currency":"usd","evidence_due_by":1791000000,"evidence":"He came."}`,
			registration.Fact{
				Kind: registration.DisputeClosed, Dispute: "ch_1", Charge: "ch_1", Reason: "general",
				Amount: 2500, Currency: "usd", DueBy: due, Outcome: "won",
			}},
		{"without a due date", "charge.dispute.created",
			`{"id":"dp_1","charge":"ch_1","status":"warning_needs_response","evidence_details":{"due_by":null}}`,
			registration.Fact{Kind: registration.Disputed, Dispute: "dp_1", Charge: "ch_1", Outcome: "warning_needs_response"}},
	})
	refused(t, event("charge.dispute.created", `{"id":"dp_1","status":"needs_response"}`))
	refused(t, event("charge.dispute.created", `{"id":"dp_1","charge":{"object":"charge"},"payment_intent":7}`))
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	full := registration.Fact{
		Kind: registration.ChargeRefunded, Charge: "ch_1", Intent: "pi_1", FullyRefunded: true, Amount: 2500, Currency: "eur",
	}
	part, bare := full, full
	part.FullyRefunded, part.Amount = false, 1000
	bare.Intent = ""
	failed := registration.Fact{
		Kind: registration.RefundFailed, Refund: "re_1", Charge: "ch_1", Intent: "pi_1", Amount: 2500, Currency: "eur",
		Reason: "expired_or_canceled_card",
	}
	canceled, unreasoned := failed, failed
	canceled.Reason, unreasoned.Charge = "", ""
	const refund = `{"id":"re_1","status":"failed","charge":"ch_1","payment_intent":"pi_1","amount":2500,"currency":"eur","failure_reason":"expired_or_canceled_card"}`
	testTold(t, []told{
		{"in full", "charge.refunded", `{"id":"ch_1","payment_intent":"pi_1","refunded":true,"amount_refunded":2500,"currency":"eur"}`, full},
		{"in part", "charge.refunded", `{"id":"ch_1","payment_intent":"pi_1","refunded":false,"amount_refunded":1000,"currency":"eur"}`, part},
		{"the intent expanded", "charge.refunded", `{"id":"ch_1","payment_intent":{"id":"pi_1"},"refunded":true,"amount_refunded":2500,"currency":"eur"}`, full},
		{"of a charge without an intent", "charge.refunded", `{"id":"ch_1","payment_intent":null,"refunded":true,"amount_refunded":2500,"currency":"eur"}`, bare},
		{"failed", "refund.failed", refund, failed},
		{"failed, told as an update", "refund.updated", refund, failed},
		{"failed, told as an update of old", "charge.refund.updated", refund, failed},
		{"canceled", "refund.updated",
			`{"id":"re_1","status":"canceled","charge":"ch_1","payment_intent":"pi_1","amount":2500,"currency":"eur"}`, canceled},
		{"failed, naming the intent alone", "refund.failed",
			`{"id":"re_1","status":"failed","charge":null,"payment_intent":"pi_1","amount":2500,"currency":"eur","failure_reason":"expired_or_canceled_card"}`, unreasoned},
	})
	for _, status := range []string{"pending", "requires_action", "succeeded"} {
		e := decode(t, event("refund.updated", `{"id":"re_1","status":"`+status+`","charge":"ch_1"}`))
		if e.Fact != nil || e.Ignored != "refund is "+status {
			t.Errorf("a refund that is %s: %+v", status, e)
		}
	}
	if e := decode(t, event("refund.updated", `{"id":"re_1"}`)); e.Ignored != "refund is without status" {
		t.Errorf("a refund without a status: %+v", e)
	}
	refused(t, event("charge.refunded", `{"refunded":true}`))
	refused(t, event("refund.failed", `{"status":"failed","charge":"ch_1"}`))
	refused(t, event("refund.failed", `{"id":"re_1","status":"failed"}`))
}
