package simulate

import "time"

// Payment is one purchase: every event made from it names the same session, intent and charge. Its fields
// may be changed between events.
type Payment struct {
	IDs
	Registration string // metadata.registrationId of session, intent and charge; empty for none
	Amount       int64  // minor units
	Currency     string

	Name, Email, Phone string

	SessionCreated, SessionExpires time.Time
	IntentCreated                  time.Time

	stripe *Stripe
}

// PaymentOf is the purchase whose ids Derive gives: the same one in every process.
func (s *Stripe) PaymentOf(registration string, given IDs) *Payment {
	return s.payment(registration, s.now(), Derive(registration, given))
}

func (p *Payment) metadata(c choice) object {
	if p.Registration == "" || c.bare {
		return object{}
	}
	return object{"registrationId": p.Registration}
}

// intentReference is how another object names the intent.
func (p *Payment) intentReference(c choice) any {
	if c.withoutIntent || p.Intent == "" {
		return nil
	}
	return p.Intent
}

func (p *Payment) address() object {
	return object{
		"city": "Paris", "country": "FR", "line1": "12 rue de l'Exemple", "line2": nil,
		"postal_code": "75011", "state": nil,
	}
}

func (p *Payment) billingDetails() object {
	return object{"address": p.address(), "email": p.Email, "name": p.Name, "phone": p.Phone}
}
