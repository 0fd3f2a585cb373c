package registration

import "slices"

// Slots. An attempt's name in them is its intent, else its session.
const (
	slotPaid      = "paid:"
	slotFailed    = "failed:"
	slotRemoved   = "removed:"
	slotAction    = "action:"
	slotRefunded  = "refunded:"
	slotDispute   = "dispute:"
	slotAttention = "attention:"
)

// mails returns what the state wants to be mailed.
func (c settling) mails(s State) []Mail {
	var out []Mail
	for _, a := range c.attempts {
		switch {
		case a.phase == phaseGood:
			out = append(out, a.mail(MailPaymentConfirmed, slotPaid, ""))
		case a.phase == phaseRefunded:
			out = append(out, a.mail(MailRefundConfirmed, slotRefunded, ""))
		case a.phase == phaseFailed && a.current && s.failedByPayment():
			out = append(out, a.failures()...)
		case a.phase == phaseOpen && a.current && s.Status == Pending && a.because.Kind == ActionRequired:
			out = append(out, a.mail(MailActionRequired, slotAction, ""))
		}
		out = append(out, a.disputeMails()...)
	}
	if s.Status == Canceled || s.Status == Expired {
		out = append(out, c.removal(s))
	}
	for _, raised := range s.Attention {
		out = append(out, raised.Mail())
	}
	return oneEach(out)
}

// oneEach leaves out mails whose slot another has: facts that contradict each other may want one twice.
func oneEach(mails []Mail) []Mail {
	taken := map[string]bool{}
	return slices.DeleteFunc(mails, func(m Mail) bool {
		again := taken[m.Slot]
		taken[m.Slot] = true
		return again
	})
}

func (s State) failedByPayment() bool { return s.Status == Failed && s.Cause == CausePayment }

// mail is a mail about what put the attempt into its phase. Before an intent was known the attempt went by
// its session, so the slot of that name stands for the same mail.
func (a attempt) mail(kind MailKind, slot, suffix string) Mail {
	m := Mail{Kind: kind, Slot: slot + a.name() + suffix, Fact: a.because}
	if a.intent != "" && a.session != "" {
		m.Same = []string{slot + a.session + suffix}
	}
	return m
}

// failures returns a mail for each failure that Stripe tells apart by its charge. A delayed payment's
// failure is told twice: what the session tells, without a charge, shares the first charge's mail.
func (a attempt) failures() []Mail {
	var out []Mail
	var told *Fact
	seen := map[string]bool{}
	for _, f := range a.facts {
		switch {
		case f.Kind != PaymentFailed:
		case f.SessionAsync:
			told = f
		case !seen[f.Charge]:
			seen[f.Charge] = true
			out = append(out, a.failure(f))
		}
	}
	switch {
	case told == nil || seen[told.Charge]:
	case len(out) == 0:
		out = append(out, a.failure(told))
	default:
		out[0].shares(a.failure(told))
	}
	return out
}

func (a attempt) failure(f *Fact) Mail {
	m := a.mail(MailPaymentFailed, slotFailed, ":"+f.Charge)
	m.Fact = *f
	return m
}

// shares makes m stand for what the other mail says, too.
func (m *Mail) shares(other Mail) {
	m.Same = append(append(m.Same, other.Slot), other.Same...)
}

// removal is the one mail of a cancellation or an expiry. Removed attempts that nothing tells apart may be
// one and share it: an intent whose session nobody named, a session whose intent nobody named, and what the
// clock ended without knowing either.
func (c settling) removal(s State) Mail {
	kind := MailPaymentCanceled
	if s.Status == Expired {
		kind = MailSessionExpired
	}
	decider := c.attempts[slices.IndexFunc(c.attempts, func(a attempt) bool { return a.because.ID == s.Decisive })]
	m := decider.mail(kind, slotRemoved, "")
	for _, a := range c.attempts {
		removed := a.phase == phaseCanceled || a.phase == phaseExpired
		if a.current && removed && a.name() != decider.name() && a.mayBe(decider) {
			m.shares(a.mail(kind, slotRemoved, ""))
		}
	}
	return m
}

func (a attempt) disputeMails() []Mail {
	var out []Mail
	for _, d := range a.disputes() {
		if d.closed == nil {
			out = append(out, Mail{Kind: MailDisputeOpened, Slot: slotDispute + d.id, Fact: *d.opened})
			continue
		}
		out = append(out, Mail{Kind: MailDisputeClosed, Slot: slotDispute + d.id + ":" + d.closed.Outcome, Fact: *d.closed})
	}
	return out
}

// Mail is the one mail that tells the admin of raised attention.
func (a Attention) Mail() Mail {
	return Mail{Kind: MailAttention, Slot: slotAttention + string(a.Flag) + ":" + a.Object, Flag: a.Flag, Fact: a.Fact}
}
