package registration

import "testing"

func TestTwoPaymentsWantAttention(t *testing.T) {
	t.Parallel()
	first, second := fact(1, Paid, "cs_old", "pi_0"), fact(2, Paid, "cs_now", "pi_1")
	testSettled(t, []settled{
		{name: "the later one is the double", facts: []Fact{first, second}, want: "PAID seat double_payment:pi_1"},
		{name: "each after the first is one", facts: []Fact{first, second, fact(3, Paid, "cs_2", "pi_2")}, want: "PAID seat double_payment:pi_1 double_payment:pi_2"},
		{name: "one payment told twice is not two", facts: []Fact{second, fact(3, Paid, "cs_now", "pi_1")}, want: paidState},
		{name: "one payment told with and without its intent is not two", facts: []Fact{second, fact(3, Paid, "cs_now")}, want: paidState},
		{name: "it clears when the later one is refunded", facts: []Fact{first, second, refundOf(5, true, "ch_1", "pi_1")}, want: paidState},
		{name: "it clears when the first one is refunded", facts: []Fact{first, second, refundOf(5, true, "ch_0", "pi_0")}, want: paidState},
		{name: "it clears when one is disputed", facts: []Fact{first, second, fact(5, Disputed, "dp_1", "pi_1")}, want: paidState},
		{name: "money on its way is not a payment yet", facts: []Fact{first, fact(2, PaymentProcessing, "cs_now", "pi_1")}, want: paidState},
	})
}

func TestAnotherAmountThanDueWantsAttention(t *testing.T) {
	t.Parallel()
	of := func(amount int64, currency string) []Fact {
		return []Fact{fact(1, Paid, "cs_now", "pi_1").with(func(f *Fact) { f.Amount, f.Currency = amount, currency })}
	}
	unchecked := func(r *Registration) { r.AmountDue = nil }
	free := func(r *Registration) { r.AmountDue = new(int64) }
	anyCurrency := func(r *Registration) { r.Currency = "" }
	upper := func(r *Registration) { r.Currency = "EUR" }
	const mismatch = "PAID seat amount_mismatch:pi_1"
	testSettled(t, []settled{
		{name: "as due", facts: of(2500, "eur"), want: paidState},
		{name: "less", facts: of(2499, "eur"), want: mismatch},
		{name: "more", facts: of(2501, "eur"), want: mismatch},
		{name: "nothing", facts: of(0, "eur"), want: mismatch},
		{name: "nothing was due", row: []func(*Registration){free}, facts: of(0, "eur"), want: paidState},
		{name: "something where nothing was due", row: []func(*Registration){free}, facts: of(1, "eur"), want: mismatch},
		{name: "another currency", facts: of(2500, "usd"), want: mismatch},
		{name: "the currency in capitals", row: []func(*Registration){upper}, facts: of(2500, "eur"), want: paidState},
		{name: "a currency that Stripe did not tell", facts: of(2500, ""), want: paidState},
		{name: "a currency that the platform did not tell", row: []func(*Registration){anyCurrency}, facts: of(2500, "usd"), want: paidState},
		{name: "no amount due", row: []func(*Registration){unchecked}, facts: of(1, "usd"), want: paidState},
		{name: "it clears when the payment is refunded", facts: append(of(1, "eur"), refundOf(9, true, "ch_1", "pi_1")), want: refundedState},
	})
	two := []Fact{of(1, "eur")[0], fact(2, Paid, "cs_old", "pi_0").with(func(f *Fact) { f.Amount = 2 })}
	testSettled(t, []settled{{
		name: "each payment is compared", facts: two,
		want: "PAID seat amount_mismatch:pi_0 amount_mismatch:pi_1 double_payment:pi_0",
	}})
}

func TestAPaymentThatNobodyConfirmsWantsAttention(t *testing.T) {
	t.Parallel()
	succeeded, late := fact(1, IntentSucceeded, "pi_1", "ch_1"), fact(901, Unconfirmed, "pi_1")
	testSettled(t, []settled{
		{name: "not at once", facts: []Fact{succeeded}, want: processingState},
		{name: "after a while", facts: []Fact{succeeded, late}, want: "PENDING seat unconfirmed_payment:pi_1"},
		{name: "until it is confirmed", facts: []Fact{succeeded, late, fact(5, Paid, "cs_now", "pi_1")}, want: paidState},
		{name: "also beside another payment", facts: []Fact{succeeded, late, fact(5, Paid, "cs_old", "pi_0")}, want: "PAID seat unconfirmed_payment:pi_1"},
		{name: "not without the success", facts: []Fact{late}, want: openState},
	})
}
