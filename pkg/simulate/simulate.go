// Package simulate makes the events that Stripe sends about a purchase, signed as Stripe signs them: for
// `guichet trigger`, the demo and the tests.
//
// The events are this project's own, shaped like Stripe's of the SDK's API version, with the extras that
// Stripe adds (addresses, client secrets, receipts) and that must never leak into a log.
package simulate

import (
	"math/rand/v2"
	"time"
)

// What the buyer of every purchase is called, unless a Payment says otherwise.
const (
	BuyerName  = "Ada Lovelace"
	BuyerEmail = "ada.lovelace@example.com"
	BuyerPhone = "+33199001234" // of the range that is kept for fiction
)

// Defaults of a purchase.
const (
	DefaultAmount   = 4500 // minor units
	DefaultCurrency = "eur"
	sessionLife     = 24 * time.Hour // Checkout's default and longest
)

// Stripe is the other end of the webhooks. The same source of randomness and the same clock give the same
// events, byte for byte. It is not safe for concurrent use.
type Stripe struct {
	random *rand.Rand
	now    func() time.Time
	// account is what the ids of one Stripe account have in common.
	account string
}

// New returns a Stripe that draws its ids from random and dates its events by now.
func New(random *rand.Rand, now func() time.Time) *Stripe {
	s := &Stripe{random: random, now: now}
	s.account = base62(random, accountLength)
	return s
}

// Payment starts a purchase for a registration; an empty one is left out of the metadata, as in
// Stripe's own test events.
func (s *Stripe) Payment(registration string) *Payment {
	now := s.now()
	return s.payment(registration, now, IDs{
		Session: s.sessionID(),
		Intent:  s.id(intentPrefix, now),
		Charge:  s.id(chargePrefix, now),
		Dispute: s.id(disputePrefix, now),
		Refund:  s.id(refundPrefix, now),
	})
}

func (s *Stripe) payment(registration string, now time.Time, ids IDs) *Payment {
	return &Payment{
		IDs: ids, Registration: registration,
		Amount: DefaultAmount, Currency: DefaultCurrency,
		Name: BuyerName, Email: BuyerEmail, Phone: BuyerPhone,
		SessionCreated: now, SessionExpires: now.Add(sessionLife), IntentCreated: now,
		stripe: s,
	}
}
