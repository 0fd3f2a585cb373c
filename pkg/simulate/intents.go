package simulate

// Failed is payment_intent.payment_failed: one try was declined, and the buyer may try again. Each call is
// another try, with a charge of its own, unless WithCharge names one.
func (p *Payment) Failed(d Decline, options ...Option) Event {
	c := p.stripe.choose(options)
	if c.charge == "" {
		c.charge = p.stripe.id(chargePrefix, c.created)
	}
	method := p.paymentMethod(c)
	failure := object{
		"charge": c.charge, "code": d.Code, "doc_url": d.docURL(), "message": d.Message,
		"payment_method": method, "type": "card_error",
	}
	if d.DeclineCode != "" {
		failure["decline_code"] = d.DeclineCode
	}
	intent := p.intent(c, "requires_payment_method")
	intent["last_payment_error"], intent["latest_charge"] = failure, c.charge
	return c.event("payment_intent.payment_failed", intent, nil)
}

// RequiresAction is payment_intent.requires_action with a page to send the buyer to.
func (p *Payment) RequiresAction(options ...Option) Event {
	return p.requiresAction(object{
		"type": "redirect_to_url",
		"redirect_to_url": object{
			"return_url": "https://tickets.example.com/checkout/done",
			"url":        "https://hooks.stripe.com/redirect/authenticate/" + p.Intent,
		},
	}, options)
}

// RequiresActionOnPage is payment_intent.requires_action of a 3-D Secure that runs on the checkout page itself.
func (p *Payment) RequiresActionOnPage(options ...Option) Event {
	return p.requiresAction(object{
		"type": "use_stripe_sdk",
		"use_stripe_sdk": object{
			"type": "three_d_secure_redirect", "directory_server_name": "visa",
			"stripe_js": "https://hooks.stripe.com/3d_secure_2/hosted?intent=" + p.Intent,
		},
	}, options)
}

func (p *Payment) requiresAction(next object, options []Option) Event {
	c := p.stripe.choose(options)
	intent := p.intent(c, "requires_action")
	intent["next_action"], intent["payment_method"] = next, p.stripe.id("pm_1", c.created)
	return c.event("payment_intent.requires_action", intent, nil)
}

// Canceled is payment_intent.canceled for a reason such as abandoned or requested_by_customer.
func (p *Payment) Canceled(reason string, options ...Option) Event {
	c := p.stripe.choose(options)
	intent := p.intent(c, "canceled")
	intent["canceled_at"], intent["cancellation_reason"] = c.created.Unix(), reason
	return c.event("payment_intent.canceled", intent, nil)
}

// Succeeded is payment_intent.succeeded: money came in, and the session's own event confirms.
func (p *Payment) Succeeded(options ...Option) Event {
	c := p.stripe.choose(options)
	intent := p.intent(c, "succeeded")
	intent["amount_received"], intent["latest_charge"] = p.Amount, p.Charge
	intent["payment_method"] = p.stripe.id("pm_1", c.created)
	return c.event("payment_intent.succeeded", intent, nil)
}

// IntentMade is payment_intent.created, which changes nothing.
func (p *Payment) IntentMade(options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("payment_intent.created", p.intent(c, "requires_payment_method"), nil)
}

// Processing is payment_intent.processing, which changes nothing.
func (p *Payment) Processing(options ...Option) Event {
	c := p.stripe.choose(options)
	intent := p.intent(c, "processing")
	intent["payment_method_types"] = []string{"sepa_debit"}
	intent["latest_charge"] = p.Charge
	return c.event("payment_intent.processing", intent, nil)
}

func (p *Payment) intent(c choice, status string) object {
	return object{
		"id": p.Intent, "object": "payment_intent",
		"amount": p.Amount, "amount_capturable": 0, "amount_details": object{"tip": object{}}, "amount_received": 0,
		"application": nil, "application_fee_amount": nil, "automatic_payment_methods": nil,
		"canceled_at": nil, "cancellation_reason": nil,
		"capture_method":      "automatic",
		"client_secret":       p.Intent + "_secret_" + base62(p.stripe.random, 25),
		"confirmation_method": "automatic",
		"created":             p.IntentCreated.Unix(), "currency": p.Currency,
		"customer": nil, "description": nil, "invoice": nil,
		"last_payment_error": nil, "latest_charge": nil,
		"metadata": p.metadata(c), "next_action": nil, "on_behalf_of": nil,
		"payment_method": nil, "payment_method_configuration_details": nil,
		"payment_method_options": object{"card": object{
			"installments": nil, "mandate_options": nil, "network": nil, "request_three_d_secure": "automatic",
		}},
		"payment_method_types": []string{"card"},
		"processing":           nil,
		"receipt_email":        p.Email,
		"review":               nil,
		"setup_future_usage":   nil,
		"shipping":             nil,
		"source":               nil,
		"statement_descriptor": nil, "statement_descriptor_suffix": nil,
		"status":        status,
		"transfer_data": nil, "transfer_group": nil,
	}
}

func (p *Payment) paymentMethod(c choice) object {
	return object{
		"id": p.stripe.id("pm_1", c.created), "object": "payment_method",
		"billing_details": p.billingDetails(),
		"card": object{
			"brand":   "visa",
			"checks":  object{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": "pass"},
			"country": "US", "exp_month": 12, "exp_year": c.created.Year() + 3,
			"fingerprint": base62(p.stripe.random, 16), "funding": "credit",
			"last4": "0002", "networks": object{"available": []string{"visa"}, "preferred": nil},
			"three_d_secure_usage": object{"supported": true}, "wallet": nil,
		},
		"created": c.created.Unix(), "customer": nil, "livemode": c.live, "metadata": object{}, "type": "card",
	}
}
