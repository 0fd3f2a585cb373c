package registration

// Standing says, for people, where one try to pay stands.
type Standing string

// The standings, in the order of the phases.
const (
	StandsDisputed   Standing = "disputed"
	StandsLost       Standing = "dispute lost"
	StandsRefunded   Standing = "refunded"
	StandsPaid       Standing = "paid"
	StandsProcessing Standing = "processing"
	StandsCanceled   Standing = "canceled"
	StandsExpired    Standing = "expired"
	StandsFailed     Standing = "failed"
	StandsOpen       Standing = "open"
)

// standing is the phase in a word.
func (p phase) standing() Standing {
	return [...]Standing{
		StandsDisputed, StandsLost, StandsRefunded, StandsPaid, StandsProcessing, StandsCanceled, StandsExpired, StandsFailed, StandsOpen,
	}[p]
}

// Try is one attempt to pay, as Settle sees it: a Checkout session with its intent, or an intent whose session is
// not known.
type Try struct {
	Session, Intent, Charge string // the charge that went through, else the last that did not
	// Current says whether it is of the registration's present session, or may be. Of any other only the money counts.
	Current bool
	Stands  Standing
	// Because is the fact that says so; its zero value where nothing has been decided.
	Because Fact
	// Paid is what was paid with it; nil where nothing was.
	Paid *Fact
	// Disputes are those of its payment that are open.
	Disputes []Fact
}

// Tries returns the attempts that the facts fall into, in the order of their first facts.
func Tries(r Registration, facts []Fact) []Try {
	var out []Try
	for _, a := range attempts(r, inOrder(facts)) {
		through := false
		t := Try{Session: a.session, Intent: a.intent, Current: a.current, Stands: a.phase.standing(), Because: a.because, Paid: a.first(Paid)}
		for _, f := range a.facts {
			if f.Charge != "" && (f.Kind != PaymentFailed || !through) {
				t.Charge, through = f.Charge, f.Kind != PaymentFailed
			}
		}
		for _, d := range a.disputes() {
			if d.closed == nil {
				t.Disputes = append(t.Disputes, *d.opened)
			}
		}
		out = append(out, t)
	}
	return out
}
