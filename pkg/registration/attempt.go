package registration

import (
	"cmp"
	"slices"
	"time"
)

// sessionSlack is how much earlier than its session an intent may have been made and still belong to it.
const sessionSlack = 60 * time.Second

// noAttempt names what expires where there is neither a session nor an intent.
const noAttempt = "none"

// attempt is one try to pay: a Checkout session with its intent, or an intent whose session is unknown.
type attempt struct {
	session, intent, charge string
	current                 bool
	facts                   []Fact // by creation, then id
}

// name tells attempts apart in slots: the intent, else the session, else what little is known.
func (a attempt) name() string { return cmp.Or(a.intent, a.session, a.charge, noAttempt) }

// phase is where an attempt stands. An attempt is in the first that applies.
type phase int

const (
	phaseDisputeOpen phase = iota
	phaseDisputeLost
	phaseRefunded
	phaseGood
	phaseProcessing
	phaseCanceled
	phaseExpired
	phaseFailed
	phaseOpen
)

// ties knows what belongs together: charges and disputes to intents, intents to sessions. Where facts
// contradict each other the first by creation holds.
type ties struct {
	chargeIntent, disputeIntent, intentSession, sessionIntent map[string]string
}

func tie(facts []Fact) ties {
	t := ties{map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}}
	first := func(m map[string]string, from, to string) {
		if _, known := m[from]; from != "" && to != "" && !known {
			m[from] = to
		}
	}
	for _, f := range facts {
		first(t.chargeIntent, f.Charge, f.Intent)
		first(t.intentSession, f.Intent, f.Session)
		first(t.sessionIntent, f.Session, f.Intent)
	}
	for _, f := range facts {
		first(t.disputeIntent, f.Dispute, cmp.Or(f.Intent, t.chargeIntent[f.Charge]))
	}
	return t
}

// attempts groups facts, which are in order, into attempts, in the order of their first facts.
func attempts(r Registration, facts []Fact) []attempt {
	t := tie(facts)
	var out []attempt
	index := map[string]int{}
	for _, f := range facts {
		if f.Kind == HoldExpired { // it concerns the registration's place, not one attempt
			continue
		}
		intent := cmp.Or(f.Intent, t.chargeIntent[f.Charge], t.disputeIntent[f.Dispute])
		session := cmp.Or(f.Session, t.intentSession[intent])
		if session != "" {
			intent = cmp.Or(t.sessionIntent[session], intent)
		}
		a := attempt{session: session, intent: intent}
		if session == "" && intent == "" {
			a.charge = f.Charge
		}
		key := cmp.Or(session, intent, a.charge)
		i, known := index[key]
		if !known {
			i = len(out)
			index[key] = i
			out = append(out, a)
		}
		out[i].facts = append(out[i].facts, f)
	}
	for i := range out {
		out[i].current = out[i].isCurrent(r)
	}
	return out
}

// isCurrent says whether the attempt may be the one of the registration's session.
func (a attempt) isCurrent(r Registration) bool {
	switch {
	case r.Session == "":
		return true
	case a.session != "":
		return a.session == r.Session
	case a.intent == "" && a.charge == "": // the clock ended a time without a session
		return false
	}
	made := a.intentCreated()
	return made.IsZero() || r.SessionCreatedAt.IsZero() || !made.Before(r.SessionCreatedAt.Add(-sessionSlack))
}

func (a attempt) intentCreated() time.Time {
	for _, f := range a.facts {
		if !f.IntentCreated.IsZero() {
			return f.IntentCreated
		}
	}
	return time.Time{}
}

// first and last return the earliest and the latest fact of the kinds; nil where there is none.
func (a attempt) first(kinds ...FactKind) *Fact {
	for i := range a.facts {
		if slices.Contains(kinds, a.facts[i].Kind) {
			return &a.facts[i]
		}
	}
	return nil
}

func (a attempt) last(kinds ...FactKind) *Fact {
	for i := len(a.facts) - 1; i >= 0; i-- {
		if slices.Contains(kinds, a.facts[i].Kind) {
			return &a.facts[i]
		}
	}
	return nil
}

// phase says where the attempt stands and which fact says so. Without disputes, open disputes are as if
// they had not been.
func (a attempt) phase(disputes bool) (phase, Fact) {
	var lost *Fact
	for _, d := range a.disputes() {
		switch {
		case d.closed == nil && disputes:
			return phaseDisputeOpen, *d.opened
		case d.lost():
			lost = d.closed
		}
	}
	if lost != nil {
		return phaseDisputeLost, *lost
	}
	paid := a.first(Paid)
	if paid != nil {
		if refund := a.fullRefund(); refund != nil && paid.Amount > 0 {
			return phaseRefunded, *refund
		}
		return phaseGood, *paid
	}
	if f := a.processing(); f != nil {
		return phaseProcessing, *f
	}
	if f := a.first(IntentCanceled); f != nil {
		return phaseCanceled, *f
	}
	if f := a.first(SessionExpired); f != nil {
		return phaseExpired, *f
	}
	failed, action := a.last(PaymentFailed), a.last(ActionRequired)
	switch {
	case failed != nil && (action == nil || !failed.Created.Before(action.Created)):
		return phaseFailed, *failed
	case action != nil:
		return phaseOpen, *action
	}
	return phaseOpen, Fact{}
}

func (a attempt) fullRefund() *Fact {
	for i := range a.facts {
		if a.facts[i].Kind == ChargeRefunded && a.facts[i].FullyRefunded {
			return &a.facts[i]
		}
	}
	return nil
}

// processing returns the fact that says that money is on its way, unless it came to an end without a payment.
func (a attempt) processing() *Fact {
	if a.first(IntentCanceled) != nil {
		return nil
	}
	completed := a.first(PaymentProcessing)
	for _, f := range a.facts {
		if f.Kind != PaymentFailed {
			continue
		}
		if f.SessionAsync {
			return nil
		}
		if completed != nil && !f.Created.Before(completed.Created) {
			completed = nil
		}
	}
	if completed != nil {
		return completed
	}
	return a.first(IntentSucceeded)
}

// dispute is one dispute of an attempt; opened or closed may be nil, not both.
type dispute struct {
	id             string
	opened, closed *Fact
}

func (d dispute) lost() bool { return d.closed != nil && d.closed.Outcome == "lost" }

// disputes returns the attempt's disputes; of several closes of one the latest counts.
func (a attempt) disputes() []dispute {
	var out []dispute
	for i := range a.facts {
		f := &a.facts[i]
		if f.Kind != Disputed && f.Kind != DisputeClosed {
			continue
		}
		at := slices.IndexFunc(out, func(d dispute) bool { return d.id == f.Dispute })
		if at < 0 {
			at = len(out)
			out = append(out, dispute{id: f.Dispute})
		}
		switch {
		case f.Kind == DisputeClosed:
			out[at].closed = f
		case out[at].opened == nil:
			out[at].opened = f
		}
	}
	return out
}
