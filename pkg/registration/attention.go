package registration

import "strings"

// attention returns the flags that the facts raise, in a fixed order.
func (c settling) attention() []Attention {
	var out []Attention
	for i, a := range c.good() {
		if i > 0 {
			out = append(out, Attention{DoublePayment, a.name(), a.because})
		}
		if c.mismatch(a.because) {
			out = append(out, Attention{AmountMismatch, a.name(), a.because})
		}
	}
	for _, a := range c.attempts {
		if f := a.failedRefund(); f != nil {
			out = append(out, Attention{FailedRefund, f.Refund, *f})
		}
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

// failedRefund returns the attempt's latest refund that came back, unless a refund was made after it.
func (a attempt) failedRefund() *Fact {
	failed, made := a.last(RefundFailed), a.last(ChargeRefunded)
	if failed != nil && made != nil && made.Created.After(failed.Created) {
		return nil
	}
	return failed
}
