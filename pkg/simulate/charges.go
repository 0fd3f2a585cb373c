package simulate

// Charged is charge.succeeded, which changes nothing.
func (p *Payment) Charged(options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("charge.succeeded", p.charge(c, 0), nil)
}

// Refunded is charge.refunded once total, in minor units, has been refunded in all; all of the amount is a
// full refund.
func (p *Payment) Refunded(total int64, options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("charge.refunded", p.charge(c, total), object{"amount_refunded": 0, "receipt_url": nil, "refunded": false})
}

// RefundUpdated is charge.refund.updated with a status: pending, succeeded, failed or canceled.
func (p *Payment) RefundUpdated(status string, options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("charge.refund.updated", p.refund(c, status, failureOf(status)), object{"status": "pending"})
}

// RefundFailed is refund.failed: the money that was sent back returned, for a reason such as
// lost_or_stolen_card or expired_or_canceled_card.
func (p *Payment) RefundFailed(reason string, options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("refund.failed", p.refund(c, "failed", reason), nil)
}

func failureOf(status string) string {
	if status == "failed" {
		return "expired_or_canceled_card"
	}
	return ""
}

func (p *Payment) refund(c choice, status, failure string) object {
	o := object{
		"id": p.Refund, "object": "refund", "amount": p.Amount,
		"balance_transaction": p.stripe.id("txn_3", c.created),
		"charge":              p.Charge, "created": c.created.Unix(), "currency": p.Currency,
		"destination_details": object{"type": "card", "card": object{"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}},
		"metadata":            object{}, "payment_intent": p.intentReference(c), "reason": "requested_by_customer",
		"receipt_number": nil, "source_transfer_reversal": nil, "status": status, "transfer_reversal": nil,
	}
	if failure != "" {
		o["failure_reason"] = failure
		o["failure_balance_transaction"] = p.stripe.id("txn_3", c.created)
	}
	return o
}

func (p *Payment) charge(c choice, refunded int64) object {
	return object{
		"id": p.Charge, "object": "charge",
		"amount": p.Amount, "amount_captured": p.Amount, "amount_refunded": refunded,
		"application": nil, "application_fee": nil, "application_fee_amount": nil,
		"balance_transaction":             p.stripe.id("txn_3", c.created),
		"billing_details":                 p.billingDetails(),
		"calculated_statement_descriptor": "EXAMPLE TICKETS",
		"captured":                        true, "created": p.IntentCreated.Unix(), "currency": p.Currency,
		"customer": nil, "description": nil, "dispute": nil, "disputed": false,
		"failure_balance_transaction": nil, "failure_code": nil, "failure_message": nil,
		"fraud_details": object{}, "invoice": nil, "metadata": p.metadata(c), "on_behalf_of": nil,
		"outcome": object{
			"network_status": "approved_by_network", "reason": nil, "risk_level": "normal", "risk_score": 21,
			"seller_message": "Payment complete.", "type": "authorized",
		},
		"paid": true, "payment_intent": p.intentReference(c), "payment_method": p.stripe.id("pm_1", c.created),
		"payment_method_details": object{"type": "card", "card": object{
			"amount_authorized": p.Amount, "brand": "visa", "country": "FR", "exp_month": 12, "exp_year": c.created.Year() + 3,
			"fingerprint": base62(p.stripe.random, 16), "funding": "credit", "last4": "4242", "network": "visa",
			"checks":         object{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": "pass"},
			"three_d_secure": nil, "wallet": nil,
		}},
		"radar_options": object{}, "receipt_email": p.Email, "receipt_number": nil,
		"receipt_url": "https://pay.stripe.com/receipts/payment/" + base62(p.stripe.random, 40),
		"refunded":    refunded > 0 && refunded >= p.Amount, "review": nil,
		"shipping": nil, "source": nil, "source_transfer": nil,
		"statement_descriptor": nil, "statement_descriptor_suffix": nil,
		"status": "succeeded", "transfer_data": nil, "transfer_group": nil,
	}
}
