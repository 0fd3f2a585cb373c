package simulate

// Completed is checkout.session.completed, paid: the event that confirms.
func (p *Payment) Completed(options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("checkout.session.completed", p.session(c, "complete", "paid"), nil)
}

// CompletedUnpaid is checkout.session.completed of a delayed method: the money comes later, or not.
func (p *Payment) CompletedUnpaid(options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("checkout.session.completed", delayed(p.session(c, "complete", "unpaid")), nil)
}

// CompletedFree is checkout.session.completed where nothing was to be paid: there is no intent.
func (p *Payment) CompletedFree(options ...Option) Event {
	c := p.stripe.choose(withoutIntent(options))
	session := p.session(c, "complete", "no_payment_required")
	session["amount_total"] = 0
	session["total_details"] = object{"amount_discount": p.Amount, "amount_shipping": 0, "amount_tax": 0}
	return c.event("checkout.session.completed", session, nil)
}

// AsyncSucceeded is checkout.session.async_payment_succeeded: a delayed method's money came.
func (p *Payment) AsyncSucceeded(options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("checkout.session.async_payment_succeeded", delayed(p.session(c, "complete", "paid")), nil)
}

// AsyncFailed is checkout.session.async_payment_failed: a delayed method's money will not come.
func (p *Payment) AsyncFailed(options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("checkout.session.async_payment_failed", delayed(p.session(c, "complete", "unpaid")), nil)
}

// SessionExpired is checkout.session.expired after the buyer tried to pay.
func (p *Payment) SessionExpired(options ...Option) Event {
	c := p.stripe.choose(options)
	return c.event("checkout.session.expired", p.session(c, "expired", "unpaid"), nil)
}

// SessionAbandoned is checkout.session.expired where nobody tried to pay: no intent was ever made.
func (p *Payment) SessionAbandoned(options ...Option) Event {
	return p.SessionExpired(withoutIntent(options)...)
}

// InMode is checkout.session.completed of another mode, setup or subscription, which is no payment of a registration.
func (p *Payment) InMode(mode string, options ...Option) Event {
	c := p.stripe.choose(withoutIntent(options))
	status := "paid"
	if mode == "setup" {
		status = "no_payment_required"
	}
	session := p.session(c, "complete", status)
	session["mode"] = mode
	switch mode {
	case "setup":
		session["amount_subtotal"], session["amount_total"], session["currency"] = nil, nil, nil
		session["setup_intent"] = p.stripe.id("seti_1", c.created)
	case "subscription":
		session["subscription"] = p.stripe.id("sub_1", c.created)
	}
	return c.event("checkout.session.completed", session, nil)
}

func delayed(session object) object {
	session["payment_method_types"] = []string{"card", "sepa_debit"}
	return session
}

func (p *Payment) session(c choice, status, paymentStatus string) object {
	var customer any
	if status == "complete" {
		customer = object{
			"address": p.address(), "email": p.Email, "name": p.Name, "phone": p.Phone,
			"tax_exempt": "none", "tax_ids": []string{},
		}
	}
	return object{
		"id": p.Session, "object": "checkout.session",
		"after_expiration": nil, "allow_promotion_codes": nil,
		"amount_subtotal": p.Amount, "amount_total": p.Amount,
		"automatic_tax":              object{"enabled": false, "status": nil},
		"billing_address_collection": "auto",
		"cancel_url":                 "https://tickets.example.com/checkout/canceled",
		"client_reference_id":        nil, "client_secret": nil, "consent": nil, "consent_collection": nil,
		"created": p.SessionCreated.Unix(), "currency": p.Currency, "currency_conversion": nil,
		"custom_fields": []string{}, "custom_text": object{"shipping_address": nil, "submit": nil},
		"customer": nil, "customer_creation": "if_required",
		"customer_details": customer, "customer_email": p.Email,
		"expires_at": p.SessionExpires.Unix(),
		"invoice":    nil, "invoice_creation": object{"enabled": false},
		"locale": "fr", "metadata": p.metadata(c), "mode": "payment",
		"payment_intent":                       p.intentReference(c),
		"payment_link":                         nil,
		"payment_method_collection":            "if_required",
		"payment_method_options":               object{},
		"payment_method_types":                 []string{"card"},
		"payment_status":                       paymentStatus,
		"phone_number_collection":              object{"enabled": false},
		"recovered_from":                       nil,
		"setup_intent":                         nil,
		"shipping_address_collection":          nil,
		"shipping_cost":                        nil,
		"shipping_details":                     nil,
		"shipping_options":                     []string{},
		"status":                               status,
		"submit_type":                          nil,
		"subscription":                         nil,
		"success_url":                          "https://tickets.example.com/checkout/done?session={CHECKOUT_SESSION_ID}",
		"total_details":                        object{"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
		"ui_mode":                              "hosted",
		"url":                                  nil,
		"payment_method_configuration_details": nil,
	}
}
