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
	session, intent, charge string // the charge is that of its first fact
	current                 bool
	facts                   []*Fact // by creation, then id
	phase                   phase
	because                 Fact // what puts it into its phase; its zero value where nothing does
}

// name tells attempts apart in slots: the intent, else the session, else what little is known.
func (a attempt) name() string { return cmp.Or(a.intent, a.session, a.charge, noAttempt) }

// mayBe says whether nothing that is known tells two attempts apart.
func (a attempt) mayBe(b attempt) bool {
	return (a.session == "" || b.session == "") && (a.intent == "" || b.intent == "")
}

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
		if t.intentSession[f.Intent] == f.Session { // else the intent is another session's
			first(t.sessionIntent, f.Session, f.Intent)
		}
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
	for i := range facts {
		f := &facts[i]
		if f.Kind == HoldExpired { // it concerns the registration's place, not one attempt
			continue
		}
		intent := cmp.Or(t.disputeIntent[f.Dispute], f.Intent, t.chargeIntent[f.Charge])
		session := cmp.Or(f.Session, t.intentSession[intent])
		if session != "" {
			intent = t.sessionIntent[session]
		}
		key := cmp.Or(session, intent, f.Charge)
		n, known := index[key]
		if !known {
			n = len(out)
			index[key] = n
			out = append(out, attempt{session: session, intent: intent, charge: f.Charge})
		}
		out[n].facts = append(out[n].facts, f)
	}
	for i := range out {
		out[i].current = out[i].isCurrent(r)
		out[i].phase, out[i].because = out[i].stand(true)
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

// first and last return the earliest and the latest fact of the kind; nil where there is none.
func (a attempt) first(kind FactKind) *Fact {
	for _, f := range a.facts {
		if f.Kind == kind {
			return f
		}
	}
	return nil
}

func (a attempt) last(kind FactKind) *Fact {
	for _, f := range slices.Backward(a.facts) {
		if f.Kind == kind {
			return f
		}
	}
	return nil
}
