package simulate

import "time"

// evidenceTime is how long a merchant has to answer a dispute in these events.
const evidenceTime = 9 * 24 * time.Hour

// Statuses of a dispute. Those that begin with warning are inquiries: no money has moved yet.
const (
	NeedsResponse        = "needs_response"
	UnderReview          = "under_review"
	Won                  = "won"
	Lost                 = "lost"
	WarningNeedsResponse = "warning_needs_response"
	WarningUnderReview   = "warning_under_review"
	WarningClosed        = "warning_closed"
)

// Disputed is charge.dispute.created. Like every dispute's, its object has no metadata of ours.
func (p *Payment) Disputed(options ...Option) Event {
	return p.dispute("charge.dispute.created", NeedsResponse, options...)
}

// Inquired is charge.dispute.created of an inquiry.
func (p *Payment) Inquired(options ...Option) Event {
	return p.dispute("charge.dispute.created", WarningNeedsResponse, options...)
}

// DisputeUpdated is charge.dispute.updated: evidence was sent.
func (p *Payment) DisputeUpdated(options ...Option) Event {
	return p.dispute("charge.dispute.updated", UnderReview, options...)
}

// FundsWithdrawn is charge.dispute.funds_withdrawn.
func (p *Payment) FundsWithdrawn(options ...Option) Event {
	return p.dispute("charge.dispute.funds_withdrawn", NeedsResponse, options...)
}

// FundsReinstated is charge.dispute.funds_reinstated.
func (p *Payment) FundsReinstated(options ...Option) Event {
	return p.dispute("charge.dispute.funds_reinstated", Won, options...)
}

// DisputeClosed is charge.dispute.closed as Won, Lost or WarningClosed.
func (p *Payment) DisputeClosed(outcome string, options ...Option) Event {
	return p.dispute("charge.dispute.closed", outcome, options...)
}

func (p *Payment) dispute(eventType, status string, options ...Option) Event {
	c := p.stripe.choose(options)
	var previous object
	if eventType == "charge.dispute.updated" {
		previous = object{"evidence_details": object{"has_evidence": false, "submission_count": 0}, "status": NeedsResponse}
	}
	answered := status != NeedsResponse && status != WarningNeedsResponse
	submissions := 0
	if answered {
		submissions = 1
	}
	return c.event(eventType, object{
		"id": p.Dispute, "object": "dispute", "amount": p.Amount,
		"balance_transactions": p.movements(c, eventType, status),
		"charge":               p.Charge, "created": c.created.Unix(), "currency": p.Currency,
		"evidence": object{
			"access_activity_log": nil, "billing_address": nil, "customer_communication": nil,
			"customer_email_address": p.Email, "customer_name": p.Name, "customer_purchase_ip": "192.0.2.17",
			"product_description": nil, "receipt": nil, "refund_policy": nil, "service_date": nil,
			"uncategorized_file": nil, "uncategorized_text": nil,
		},
		"evidence_details": object{
			"due_by": c.created.Add(evidenceTime).Unix(), "has_evidence": answered, "past_due": false, "submission_count": submissions,
		},
		"is_charge_refundable":   status == WarningNeedsResponse || status == WarningUnderReview,
		"metadata":               object{},
		"payment_intent":         p.intentReference(c),
		"payment_method_details": object{"type": "card", "card": object{"brand": "visa", "network_reason_code": "10.4"}},
		"reason":                 "fraudulent",
		"status":                 status,
	}, previous)
}

// movements are what the dispute has moved on the balance so far: inquiries move nothing.
func (p *Payment) movements(c choice, eventType, status string) []object {
	const fee = 1500
	all := []object{}
	if eventType == "charge.dispute.created" || status == WarningNeedsResponse || status == WarningUnderReview || status == WarningClosed {
		return all
	}
	move := func(amount, fee int64, description string) {
		all = append(all, object{
			"id": p.stripe.id("txn_1", c.created), "object": "balance_transaction",
			"amount": amount, "available_on": c.created.Unix(), "created": c.created.Unix(), "currency": p.Currency,
			"description": description + p.Charge, "exchange_rate": nil, "fee": fee, "net": amount - fee,
			"reporting_category": "dispute", "source": p.Dispute, "status": "pending", "type": "adjustment",
		})
	}
	move(-p.Amount, fee, "Chargeback withdrawal for ")
	if status == Won {
		move(p.Amount, -fee, "Chargeback reversal for ")
	}
	return all
}
