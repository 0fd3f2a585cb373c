package registration

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

// mails returns what the state wants to be mailed, attention apart.
func (c settling) mails(s State) []Mail {
	var out []Mail
	for _, a := range c.attempts {
		at, f := a.phase(true)
		switch {
		case at == phaseGood:
			out = append(out, a.mail(MailPaymentConfirmed, slotPaid, "", f))
		case at == phaseRefunded:
			out = append(out, a.mail(MailRefundConfirmed, slotRefunded, "", f))
		case at == phaseFailed && s.failedByPayment() && a.current:
			out = append(out, a.failures()...)
		case at == phaseOpen && s.Status == Pending && a.current && f.Kind == ActionRequired:
			out = append(out, a.mail(MailActionRequired, slotAction, "", f))
		}
		out = append(out, a.disputeMails()...)
	}
	if s.Status == Canceled || s.Status == Expired {
		out = append(out, c.removal(s))
	}
	return out
}

func (s State) failedByPayment() bool { return s.Status == Failed && s.Cause == CausePayment }

// mail is a mail about the attempt. Before an intent was known the attempt went by its session, so the
// slot of that name stands for the same mail.
func (a attempt) mail(kind MailKind, slot, suffix string, f Fact) Mail {
	m := Mail{Kind: kind, Slot: slot + a.name() + suffix, Fact: f}
	if a.intent != "" && a.session != "" {
		m.Same = []string{slot + a.session + suffix}
	}
	return m
}

// failures returns a mail for each failure that Stripe tells apart by its charge. A delayed payment's
// failure comes twice, once of them without a charge: it shares the first charge's mail.
func (a attempt) failures() []Mail {
	var out []Mail
	var bare *Fact
	seen := map[string]bool{}
	for i := range a.facts {
		f := &a.facts[i]
		switch {
		case f.Kind != PaymentFailed:
		case f.Charge == "":
			bare = f
		case !seen[f.Charge]:
			seen[f.Charge] = true
			out = append(out, a.mail(MailPaymentFailed, slotFailed, ":"+f.Charge, *f))
		}
	}
	if bare == nil {
		return out
	}
	shared := a.mail(MailPaymentFailed, slotFailed, ":", *bare)
	if len(out) == 0 {
		return []Mail{shared}
	}
	out[0].Same = append(append(out[0].Same, shared.Slot), shared.Same...)
	return out
}

// removal is the one mail of a cancellation or an expiry. A canceled intent whose session nobody named and
// an expired session whose intent nobody named may be one attempt: they share the mail.
func (c settling) removal(s State) Mail {
	kind, at := MailPaymentCanceled, phaseCanceled
	if s.Status == Expired {
		kind, at = MailSessionExpired, phaseExpired
	}
	var m Mail
	var decider attempt
	for _, a := range c.attempts {
		if p, f := a.phase(true); p == at && f.ID == s.Decisive {
			decider = a
			m = a.mail(kind, slotRemoved, "", f)
		}
	}
	for _, a := range c.attempts {
		p, _ := a.phase(true)
		removed := p == phaseCanceled || p == phaseExpired
		halves := (a.session == "") != (decider.session == "") && (a.intent == "") != (decider.intent == "")
		if a.current && removed && halves {
			m.Same = append(m.Same, slotRemoved+a.name())
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

func attentionMails(raised []Attention) []Mail {
	var out []Mail
	for _, a := range raised {
		out = append(out, a.Mail())
	}
	return out
}

// Mail is the one mail that tells the admin of raised attention.
func (a Attention) Mail() Mail {
	return Mail{Kind: MailAttention, Slot: slotAttention + string(a.Flag) + ":" + a.Object, Flag: a.Flag, Fact: a.Fact}
}
