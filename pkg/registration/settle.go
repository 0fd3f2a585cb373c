package registration

import (
	"slices"
	"time"
)

// Settle says what a registration's state is, given everything known about it. It depends on the set of
// facts alone: their order and repetition change nothing.
func Settle(r Registration, facts []Fact, p Policy) State {
	known := inOrder(facts)
	c := settling{r, p, attempts(r, known), holdExpired(r, known)}
	s := c.decide(true)
	s.Attention = c.attention(known)
	s.Mails = append(c.mails(s), attentionMails(s.Attention)...)
	return s
}

// settling is one registration being settled.
type settling struct {
	r           Registration
	policy      Policy
	attempts    []attempt
	holdExpired bool
}

// holdExpired says whether the place of a failed payment has been held long enough, for the present session.
func holdExpired(r Registration, facts []Fact) bool {
	return slices.ContainsFunc(facts, func(f Fact) bool { return f.Kind == HoldExpired && f.Session == r.Session })
}

// decide applies the first rule that fits. Without disputes, open disputes are as if they had not been.
func (c settling) decide(disputes bool) State {
	if good := c.good(disputes); len(good) > 0 {
		paid := good[0].first(Paid)
		return State{Status: PaidStatus, SeatWish: true, Decisive: paid.ID, PaidAt: paid.Created}
	}
	if f, open := c.in(phaseDisputeOpen, disputes, false); open {
		s := c.decide(false)
		s.Status, s.Cause, s.Decisive = Failed, CauseDispute, f.ID
		return s
	}
	if f, ok := c.in(phaseProcessing, disputes, false); ok {
		return State{Status: Pending, SeatWish: true, Decisive: f.ID}
	}
	if f, ok := c.in(phaseDisputeLost, disputes, true); ok {
		return State{Status: Failed, Cause: CauseDispute, Decisive: f.ID}
	}
	if f, ok := c.in(phaseRefunded, disputes, true); ok {
		return State{Status: RefundedStatus, Decisive: f.ID}
	}
	if f, ok := c.in(phaseCanceled, disputes, true); ok {
		return State{Status: Canceled, Removed: true, Decisive: f.ID}
	}
	if f, ok := c.in(phaseExpired, disputes, true); ok {
		return State{Status: Expired, Removed: true, Decisive: f.ID}
	}
	if f, ok := c.in(phaseFailed, disputes, true); ok {
		s := State{Status: Failed, Cause: CausePayment, Decisive: f.ID}
		if !c.holdExpired {
			s.SeatWish, s.Deadline, s.Lapse = true, c.firstFailure().Add(c.policy.FailedHold), HoldExpired
		}
		return s
	}
	f, _ := c.in(phaseOpen, disputes, true)
	s := State{Status: Pending, SeatWish: true, Deadline: c.pendingDeadline(), Decisive: f.ID}
	if !s.Deadline.IsZero() {
		s.Lapse = SessionExpired
	}
	return s
}

// in returns the fact that puts an attempt into the phase, the latest where there are several.
func (c settling) in(p phase, disputes, currentOnly bool) (Fact, bool) {
	var latest Fact
	found := false
	for _, a := range c.attempts {
		if currentOnly && !a.current {
			continue
		}
		if at, f := a.phase(disputes); at == p {
			if !found || byCreation(f, latest) > 0 {
				latest = f
			}
			found = true
		}
	}
	return latest, found
}

// good returns the attempts whose payment stands, oldest payment first.
func (c settling) good(disputes bool) []attempt {
	var out []attempt
	for _, a := range c.attempts {
		if at, _ := a.phase(disputes); at == phaseGood {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b attempt) int { return byCreation(*a.first(Paid), *b.first(Paid)) })
	return out
}

func (c settling) firstFailure() time.Time {
	var first time.Time
	for _, a := range c.attempts {
		if f := a.first(PaymentFailed); a.current && f != nil && (first.IsZero() || f.Created.Before(first)) {
			first = f.Created
		}
	}
	return first
}

func (c settling) pendingDeadline() time.Time {
	if !c.r.SessionExpiresAt.IsZero() {
		return c.r.SessionExpiresAt.Add(c.policy.ExpiryGrace)
	}
	if c.policy.PendingHold == 0 {
		return time.Time{}
	}
	made := c.r.CreatedAt
	for _, t := range []time.Time{c.r.SessionSetAt, c.r.SessionCreatedAt} {
		if !t.IsZero() {
			made = t
		}
	}
	return made.Add(c.policy.PendingHold + c.policy.ExpiryGrace)
}

// Lapsed returns the fact that the clock makes once a state's deadline has passed. Its id is the same
// whoever makes it, and however often.
func Lapsed(r Registration, s State) Fact {
	return Fact{
		ID:      string(s.Lapse) + ":" + r.ID + ":" + r.Session,
		Kind:    s.Lapse,
		Source:  FromClock,
		Created: s.Deadline.Truncate(time.Second),
		Session: r.Session,
	}
}
