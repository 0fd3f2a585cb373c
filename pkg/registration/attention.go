package registration

import "strings"

// attention returns the flags that the facts raise, in a fixed order.
func (c settling) attention(facts []Fact) []Attention {
	var out []Attention
	for i, a := range c.good(true) {
		paid := *a.first(Paid)
		if i > 0 {
			out = append(out, Attention{DoublePayment, a.name(), paid})
		}
		if c.mismatch(paid) {
			out = append(out, Attention{AmountMismatch, a.name(), paid})
		}
	}
	out = append(out, failedRefunds(facts)...)
	for _, a := range c.attempts {
		if f := a.first(Unconfirmed); f != nil && a.first(IntentSucceeded) != nil && a.first(Paid) == nil {
			out = append(out, Attention{UnconfirmedPayment, a.name(), *f})
		}
	}
	return out
}

func (c settling) mismatch(paid Fact) bool {
	if c.r.AmountDue == nil {
		return false
	}
	otherCurrency := c.r.Currency != "" && paid.Currency != "" && !strings.EqualFold(c.r.Currency, paid.Currency)
	return paid.Amount != *c.r.AmountDue || otherCurrency
}

// failedRefunds flags each charge whose latest refund came back.
func failedRefunds(facts []Fact) []Attention {
	latest := map[string]Fact{}
	var charges []string
	for _, f := range facts {
		if f.Kind != RefundFailed && f.Kind != ChargeRefunded {
			continue
		}
		if _, seen := latest[f.Charge]; !seen {
			charges = append(charges, f.Charge)
		}
		latest[f.Charge] = f
	}
	var out []Attention
	for _, charge := range charges {
		if f := latest[charge]; f.Kind == RefundFailed {
			out = append(out, Attention{FailedRefund, f.Refund, f})
		}
	}
	return out
}
