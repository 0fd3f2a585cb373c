package registration

import "slices"

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

// stand says where the attempt stands and which fact says so. Without disputes, open disputes are as if
// they had not been.
func (a attempt) stand(disputes bool) (phase, Fact) {
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
	for _, f := range a.facts {
		if f.Kind == ChargeRefunded && f.FullyRefunded {
			return f
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
	for _, f := range a.facts {
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
