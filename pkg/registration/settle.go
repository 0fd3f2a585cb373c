package registration

import (
	"slices"
	"time"
)

// Settle says what a registration's state is, given everything known about it. It depends on the set of
// facts alone: their order and repetition change nothing.
func Settle(r Registration, facts []Fact, p Policy) State {
	known := inOrder(facts)
	c := settling{r, p, attempts(r, known), holdExpired(r, known), openUntil(r, known)}
	s := c.decide()
	s.Attention = c.attention()
	s.Mails = c.mails(s)
	return s
}

// settling is one registration being settled.
type settling struct {
	r           Registration
	policy      Policy
	attempts    []attempt
	holdExpired bool
	openUntil   time.Time
}

// holdExpired says whether the place of a failed payment has been held long enough, for the present session.
func holdExpired(r Registration, facts []Fact) bool {
	return slices.ContainsFunc(facts, func(f Fact) bool { return f.Kind == HoldExpired && f.Session == r.Session })
}

// openUntil is the latest that Stripe has said of the present session's expiry; zero when it was not asked.
func openUntil(r Registration, facts []Fact) time.Time {
	var until time.Time
	for _, f := range facts {
		if f.Kind == SessionOpen && (f.Session == r.Session || r.Session == "") && f.DueBy.After(until) {
			until = f.DueBy
		}
	}
	return until
}

// decide applies the first rule that fits.
func (c settling) decide() State {
	if good := c.good(); len(good) > 0 {
		paid := good[0].because
		return State{Status: PaidStatus, SeatWish: true, Decisive: paid.ID, PaidAt: paid.Created}
	}
	if f, open := latest(c.attempts, phaseDisputeOpen); open {
		s := c.undisputed().decide()
		s.Status, s.Cause, s.Decisive = Failed, CauseDispute, f.ID
		return s
	}
	if f, ok := latest(c.attempts, phaseProcessing); ok {
		return State{Status: Pending, SeatWish: true, Decisive: f.ID}
	}
	current := c.current()
	if f, ok := latest(current, phaseDisputeLost); ok {
		return State{Status: Failed, Cause: CauseDispute, Decisive: f.ID}
	}
	if f, ok := latest(current, phaseRefunded); ok {
		return State{Status: RefundedStatus, Decisive: f.ID}
	}
	if f, ok := latest(current, phaseCanceled); ok {
		return State{Status: Canceled, Removed: true, Decisive: f.ID}
	}
	if f, ok := latest(current, phaseExpired); ok {
		return State{Status: Expired, Removed: true, Decisive: f.ID}
	}
	if f, ok := latest(current, phaseFailed); ok {
		s := State{Status: Failed, Cause: CausePayment, Decisive: f.ID}
		if !c.holdExpired {
			s.SeatWish, s.Deadline, s.Lapse = true, firstFailure(current).Add(c.policy.FailedHold), HoldExpired
		}
		return s
	}
	f, _ := latest(current, phaseOpen)
	s := State{Status: Pending, SeatWish: true, Deadline: c.pendingDeadline(), Decisive: f.ID}
	if !s.Deadline.IsZero() {
		s.Lapse = SessionExpired
	}
	return s
}

// undisputed is the settling as it were had the open disputes not been.
func (c settling) undisputed() settling {
	c.attempts = slices.Clone(c.attempts)
	for i := range c.attempts {
		c.attempts[i].phase, c.attempts[i].because = c.attempts[i].stand(false)
	}
	return c
}

func (c settling) current() []attempt {
	return slices.DeleteFunc(slices.Clone(c.attempts), func(a attempt) bool { return !a.current })
}

// good returns the attempts whose payment stands, oldest payment first.
func (c settling) good() []attempt {
	out := slices.DeleteFunc(slices.Clone(c.attempts), func(a attempt) bool { return a.phase != phaseGood })
	slices.SortFunc(out, func(a, b attempt) int { return byCreation(a.because, b.because) })
	return out
}

// latest returns the fact that puts an attempt into the phase, the latest where there are several.
func latest(attempts []attempt, p phase) (Fact, bool) {
	var f Fact
	found := false
	for _, a := range attempts {
		if a.phase == p && (!found || byCreation(a.because, f) > 0) {
			f, found = a.because, true
		}
	}
	return f, found
}

func firstFailure(attempts []attempt) time.Time {
	var first time.Time
	for _, a := range attempts {
		if f := a.first(PaymentFailed); f != nil && (first.IsZero() || f.Created.Before(first)) {
			first = f.Created
		}
	}
	return first
}

func (c settling) pendingDeadline() time.Time {
	expires := c.r.SessionExpiresAt
	if c.openUntil.After(expires) {
		expires = c.openUntil
	}
	if !expires.IsZero() {
		return expires.Add(c.policy.ExpiryGrace)
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
