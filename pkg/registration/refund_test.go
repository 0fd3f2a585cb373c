package registration

import "testing"

func TestRefunds(t *testing.T) {
	t.Parallel()
	paid := fact(1, Paid, "cs_now", "pi_1")
	free := fact(1, Paid, "cs_now", "pi_1").with(func(f *Fact) { f.Amount = 0 })
	noAmount := func(r *Registration) { r.AmountDue = nil }
	other := fact(5, Paid, "cs_old", "pi_0")
	testSettled(t, []settled{
		{name: "in full", facts: []Fact{paid, refundOf(9, true, "ch_1", "pi_1")}, want: refundedState},
		{name: "in part", facts: []Fact{paid, refundOf(9, false, "ch_1", "pi_1")}, want: paidState},
		{name: "in full at last", facts: []Fact{paid, refundOf(9, false, "ch_1", "pi_1"), refundOf(10, true, "ch_1", "pi_1")}, want: refundedState},
		{name: "in full, heard of before the payment", facts: []Fact{fact(20, Paid, "cs_now", "pi_1"), refundOf(9, true, "ch_1", "pi_1")}, want: refundedState},
		{name: "of nothing paid", row: []func(*Registration){noAmount}, facts: []Fact{free, refundOf(9, true, "ch_1", "pi_1")}, want: paidState},
		{name: "of an intent whose payment nobody told", facts: []Fact{fact(1, IntentSucceeded, "pi_1", "ch_1"), refundOf(9, true, "ch_1")}, want: processingState},
		{name: "of one of two payments", facts: []Fact{paid, other, refundOf(9, true, "ch_0", "pi_0")}, want: paidState},
		{name: "of both payments", facts: []Fact{paid, other, refundOf(9, true, "ch_0", "pi_0"), refundOf(9, true, "ch_1", "pi_1")}, want: refundedState},
		{name: "of the stale payment alone", facts: []Fact{other, refundOf(9, true, "ch_0", "pi_0")}, want: openState},
		{name: "after a failure of another card", facts: []Fact{fact(0, PaymentFailed, "pi_1", "ch_0"), paid, refundOf(9, true, "ch_1", "pi_1")}, want: refundedState},
	})
}

func TestARefundThatCameBackWantsAttention(t *testing.T) {
	t.Parallel()
	paid := fact(1, Paid, "cs_now", "pi_1")
	made := refundOf(10, true, "ch_1", "pi_1")
	testSettled(t, []settled{
		{name: "after the refund", facts: []Fact{paid, made, fact(11, RefundFailed, "re_1", "ch_1", "pi_1")}, want: "REFUNDED refund_failed:re_1"},
		{name: "in the second of the refund", facts: []Fact{paid, made, fact(10, RefundFailed, "re_1", "ch_1", "pi_1")}, want: "REFUNDED refund_failed:re_1"},
		{name: "told twice", facts: []Fact{paid, made, fact(11, RefundFailed, "re_1", "ch_1", "pi_1"), fact(12, RefundFailed, "re_1", "ch_1", "pi_1")}, want: "REFUNDED refund_failed:re_1"},
		{name: "naming the charge alone", facts: []Fact{paid, made, fact(11, RefundFailed, "re_1", "ch_1")}, want: "REFUNDED refund_failed:re_1"},
		{name: "naming the intent alone", facts: []Fact{paid, made, fact(11, RefundFailed, "re_1", "pi_1")}, want: "REFUNDED refund_failed:re_1"},
		{name: "again", facts: []Fact{paid, made, fact(11, RefundFailed, "re_1", "ch_1"), refundOf(12, true, "ch_1"), fact(13, RefundFailed, "re_2", "ch_1")}, want: "REFUNDED refund_failed:re_2"},
		{name: "until it is made again", facts: []Fact{paid, made, fact(11, RefundFailed, "re_1", "ch_1"), refundOf(12, true, "ch_1")}, want: refundedState},
		{name: "until it is made again, which names the charge alone", facts: []Fact{paid, made, fact(11, RefundFailed, "re_1", "pi_1"), refundOf(12, true, "ch_1")}, want: refundedState},
		{name: "of one payment, however often the other is refunded", facts: []Fact{
			paid, fact(2, Paid, "cs_old", "pi_0"), fact(11, RefundFailed, "re_0", "ch_0", "pi_0"), refundOf(12, true, "ch_1", "pi_1"),
		}, want: "PAID seat refund_failed:re_0"},
	})
}
