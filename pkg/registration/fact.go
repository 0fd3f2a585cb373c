// Package registration decides what a registration's state is.
//
// It is pure: Settle is a function of a registration and the set of facts known about it, with no I/O, no
// clock and no order of arrival. Time enters as facts.
package registration

import (
	"cmp"
	"slices"
	"time"
)

// FactKind says what a fact tells.
type FactKind string

// The kinds of fact. DisputeUpdated is information: it changes nothing. Located ties ids together and
// changes nothing else; SessionOpen moves the deadline of a session.
const (
	Paid              FactKind = "paid"
	PaymentProcessing FactKind = "payment_processing"
	PaymentFailed     FactKind = "payment_failed"
	ActionRequired    FactKind = "action_required"
	IntentCanceled    FactKind = "canceled"
	SessionExpired    FactKind = "session_expired"
	HoldExpired       FactKind = "hold_expired"
	IntentSucceeded   FactKind = "intent_succeeded"
	Unconfirmed       FactKind = "unconfirmed" // an intent succeeded and no paid fact came in time
	Disputed          FactKind = "disputed"
	DisputeClosed     FactKind = "dispute_closed"
	DisputeUpdated    FactKind = "dispute_updated"
	ChargeRefunded    FactKind = "refunded"
	RefundFailed      FactKind = "refund_failed"
	Located           FactKind = "located"      // Stripe said to which payment an object belongs
	SessionOpen       FactKind = "session_open" // Stripe said until when a session can still be paid: DueBy
)

// Source says where a fact comes from.
type Source string

// The sources: an event of Stripe's, Guichet's clock, or Stripe's answer to a look-up.
const (
	FromStripe Source = "stripe"
	FromClock  Source = "clock"
	FromLookup Source = "lookup"
)

// Fact is one thing known about a payment. Only the fields that its kind carries are set.
type Fact struct {
	ID      string // the event's id, or a deterministic one of Guichet's own
	Kind    FactKind
	Source  Source
	Created time.Time // when Stripe made the event; whole seconds

	Session string
	Intent  string
	Charge  string

	IntentCreated time.Time
	Amount        int64 // minor units of Currency
	Currency      string
	FullyRefunded bool
	Dispute       string
	Refund        string
	Reason        string // of a cancellation, dispute or failed refund
	Message       string // Stripe's words for a failure
	Code          string
	DeclineCode   string
	ActionURL     string
	DueBy         time.Time // of a dispute's evidence, or of an open session
	Outcome       string    // a closed dispute's status
	SessionAsync  bool      // a failure that ends a delayed payment's session
}

// byCreation orders facts by creation, then id: an order that does not depend on arrival.
func byCreation(a, b Fact) int {
	return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

// inOrder returns the facts by creation, each id once.
func inOrder(facts []Fact) []Fact {
	sorted := slices.Clone(facts)
	slices.SortFunc(sorted, byCreation)
	return slices.CompactFunc(sorted, func(a, b Fact) bool { return a.ID == b.ID })
}
