package lookup

import (
	"context"
	"time"

	"github.com/tidwall/gjson"

	"github.com/educareschool/guichet/pkg/registration"
)

// Outcome is how a session stands.
type Outcome string

// The outcomes. NotFound and OtherMode say nothing about the payment of a registration.
const (
	Paid       Outcome = "paid"       // complete, and paid or nothing to pay
	Processing Outcome = "processing" // complete, and the money is on its way
	Failed     Outcome = "failed"     // complete, and the money that was on its way will not come
	Expired    Outcome = "expired"    // ended without a payment
	Open       Outcome = "open"       // the buyer may still pay, until Expires
	OtherMode  Outcome = "other_mode" // a subscription's or a set-up's; or test mode where live mode is meant, or the reverse
	NotFound   Outcome = "not_found"
)

// SessionAnswer is what Stripe says of a session. Beside the outcome it holds what the answer told; nothing
// where there is no such session.
type SessionAnswer struct {
	Outcome Outcome
	Why     string // in words, of OtherMode and NotFound
	// Facts are what the answer tells: none for Open, OtherMode and NotFound. Their source is FromLookup, and
	// their ids are lookup:<paid, processing, failed, canceled or expired>:<session>, the same whoever asks.
	Facts []registration.Fact

	Registration     string // metadata.registrationId
	Intent, Charge   string
	Created, Expires time.Time // whole seconds
	Amount           int64     // minor units of Currency
	Currency         string
	Live             bool
}

// Session asks how a session stands. It is never answered from memory: a session that is open now may be paid
// in a second, and whoever asks is about to release a place; what has ended is asked about once, for it becomes
// a fact. An object that contradicts itself is ErrUnexpected.
func (c *Client) Session(ctx context.Context, account, id string) (SessionAnswer, error) {
	if !askable(id) {
		return SessionAnswer{Outcome: NotFound, Why: "it is no id of Stripe's"}, nil
	}
	object, found, err := c.one(ctx, askSession, account, id, "payment_intent.latest_charge")
	if err != nil {
		return SessionAnswer{}, err
	}
	if !found {
		return c.missing(id), nil
	}
	return c.read(id, object)
}

// missing tells a session of the other mode, which a key cannot see, from one that is not there.
func (c *Client) missing(id string) SessionAnswer {
	its, ours := mode(id), mode(c.settings.Key)
	if its != "" && ours != "" && its != ours {
		return SessionAnswer{Outcome: OtherMode, Why: "it is of " + its + " mode, and STRIPE_API_KEY of " + ours + " mode"}
	}
	return SessionAnswer{Outcome: NotFound, Why: "Stripe knows no such session"}
}

func (c *Client) read(id string, o gjson.Result) (SessionAnswer, error) {
	intent := o.Get("payment_intent")
	a := SessionAnswer{
		Registration: registrationOf(o),
		Intent:       idOf(intent), Charge: idOf(intent.Get("latest_charge")),
		Created: moment(o.Get("created")), Expires: moment(o.Get("expires_at")),
		Amount: o.Get("amount_total").Int(), Currency: text(o.Get("currency"), 3),
		Live: o.Get("livemode").Bool(),
	}
	if kind := text(o.Get("mode"), maxID); kind != "" && kind != "payment" {
		a.Outcome, a.Why = OtherMode, "its mode is "+onlyWord(kind, "not known")
		return a, nil
	}
	if c.liveOnly && !a.Live {
		a.Outcome, a.Why = OtherMode, "it is of test mode, which does not count here"
		return a, nil
	}
	a.Outcome = outcome(o)
	switch {
	case a.Outcome == "":
		return SessionAnswer{}, unusable(askSession, "its status and payment_status contradict each other or are not known")
	case a.Created.IsZero() || a.Expires.IsZero():
		return SessionAnswer{}, unusable(askSession, "it has no times")
	}
	a.Facts = facts(id, a, intent)
	return a, nil
}

// outcome reads how a session of mode payment stands; empty where that cannot be told.
func outcome(o gjson.Result) Outcome {
	paid := o.Get("payment_status").Str
	free := paid == "no_payment_required"
	switch o.Get("status").Str {
	case "complete":
		switch {
		case paid == "paid" || free:
			return Paid
		case paid == "unpaid" && over(o.Get("payment_intent")):
			return Failed
		case paid == "unpaid":
			return Processing
		}
	case "expired":
		if paid == "unpaid" || free {
			return Expired
		}
	case "open":
		if paid == "unpaid" || free {
			return Open
		}
	}
	return ""
}

// over says whether the intent of a session that is complete and unpaid has come to an end: a delayed payment
// that fails sends it back to the start, and Checkout, once complete, does not try again.
func over(intent gjson.Result) bool {
	status := intent.Get("status").Str
	return status == "requires_payment_method" || status == "canceled"
}
