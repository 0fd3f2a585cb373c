package fakestripe

import "time"

// What the buyer of every object is called: none of it may leave it.
const (
	BuyerEmail = "grace.hopper@example.com"
	BuyerName  = "Grace Hopper"
)

// When objects are made, unless a test says otherwise: the session, then its intent, then its charge.
const (
	SessionMade   = 1_700_000_000
	IntentMade    = SessionMade + 60
	ChargeMade    = SessionMade + 61
	SessionExpiry = SessionMade + int64(24*time.Hour/time.Second)
)

// With returns a copy of the object with fields changed, given as names, which are strings, and values.
func With(o Object, fields ...any) Object {
	out := copied(o)
	for i := 0; i+1 < len(fields); i += 2 {
		out[fields[i].(string)] = fields[i+1]
	}
	return out
}

// Session is a checkout session of mode payment over 45,00 €, with an intent or, if that is empty, none yet.
func Session(id, status, paymentStatus, intent string) Object {
	o := Object{
		"id": id, "object": "checkout.session", "mode": "payment", "status": status, "payment_status": paymentStatus,
		"created": SessionMade, "expires_at": SessionExpiry, "livemode": false,
		"amount_subtotal": 5000, "amount_total": 4500, "currency": "eur",
		"payment_intent": nil, "setup_intent": nil, "subscription": nil, "metadata": Object{},
		"customer_email":   BuyerEmail,
		"customer_details": Object{"email": BuyerEmail, "name": BuyerName, "phone": nil},
		"url":              nil,
	}
	if intent != "" {
		o["payment_intent"] = intent
	}
	return o
}

// Intent is a payment intent with a charge or, if that is empty, none yet.
func Intent(id, status, charge string) Object {
	o := Object{
		"id": id, "object": "payment_intent", "status": status, "amount": 4500, "currency": "eur",
		"created": IntentMade, "livemode": false, "metadata": Object{}, "latest_charge": nil,
		"client_secret": id + "_secret_fake", "receipt_email": BuyerEmail, "last_payment_error": nil,
		"canceled_at": nil, "cancellation_reason": nil,
	}
	if charge != "" {
		o["latest_charge"] = charge
	}
	return o
}

// Charge is a charge with an intent or, if that is empty, none, as the oldest way to charge makes them.
func Charge(id, intent string) Object {
	o := Object{
		"id": id, "object": "charge", "status": "succeeded", "paid": true, "amount": 4500, "currency": "eur",
		"created": ChargeMade, "livemode": false, "metadata": Object{}, "payment_intent": nil,
		"receipt_email": BuyerEmail, "billing_details": Object{"email": BuyerEmail, "name": BuyerName},
	}
	if intent != "" {
		o["payment_intent"] = intent
	}
	return o
}

// Endpoint is a webhook endpoint that is enabled, in test mode, and subscribed to event types.
func Endpoint(id, url string, types ...string) Object {
	return Object{
		"id": id, "object": "webhook_endpoint", "url": url, "enabled_events": append([]string{}, types...), "status": "enabled",
		"livemode": false, "api_version": nil, "application": nil, "created": SessionMade, "description": nil, "metadata": Object{},
	}
}
