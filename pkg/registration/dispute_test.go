package registration

import "testing"

func TestDisputes(t *testing.T) {
	t.Parallel()
	paid := fact(1, Paid, "cs_now", "pi_1")
	opened := fact(10, Disputed, "dp_1", "ch_1", "pi_1")
	second := fact(20, Disputed, "dp_2", "ch_1", "pi_1")
	charge := fact(2, IntentSucceeded, "pi_1", "ch_1")
	testSettled(t, []settled{
		{name: "open keeps the place", facts: []Fact{paid, opened}, want: disputedState},
		{name: "won is as if it had not been", facts: []Fact{paid, opened, closed(11, "won", "dp_1", "ch_1")}, want: paidState},
		{name: "an inquiry that closed is as if it had not been", facts: []Fact{paid, opened, closed(11, "warning_closed", "dp_1", "ch_1")}, want: paidState},
		{name: "lost releases the place", facts: []Fact{paid, opened, closed(11, "lost", "dp_1", "ch_1")}, want: lostState},
		{name: "a close without an opening is lost all the same", facts: []Fact{paid, closed(11, "lost", "dp_1", "ch_1", "pi_1")}, want: lostState},
		{name: "a close made before the opening closes it", facts: []Fact{paid, opened, closed(9, "won", "dp_1", "ch_1")}, want: paidState},
		{name: "an update closes nothing", facts: []Fact{paid, opened, fact(11, DisputeUpdated, "dp_1", "ch_1").with(func(f *Fact) { f.Outcome = "lost" })}, want: disputedState},

		{name: "of several closes the latest counts: lost after the inquiry", facts: []Fact{paid, opened, closed(11, "warning_closed", "dp_1", "ch_1"), closed(12, "lost", "dp_1", "ch_1")}, want: lostState},
		{name: "of several closes the latest counts: won at last", facts: []Fact{paid, opened, closed(11, "lost", "dp_1", "ch_1"), closed(12, "won", "dp_1", "ch_1")}, want: paidState},
		{name: "of two disputes one is won and one is open", facts: []Fact{paid, opened, second, closed(21, "won", "dp_1", "ch_1")}, want: disputedState},
		{name: "of two disputes one is lost and one is open", facts: []Fact{paid, opened, second, closed(21, "lost", "dp_1", "ch_1")}, want: "FAILED dispute"},
		{name: "of two disputes one is lost and one is won", facts: []Fact{paid, opened, second, closed(21, "lost", "dp_1", "ch_1"), closed(22, "won", "dp_2", "ch_1")}, want: lostState},
		{name: "both disputes are won", facts: []Fact{paid, opened, second, closed(21, "won", "dp_1", "ch_1"), closed(22, "won", "dp_2", "ch_1")}, want: paidState},

		{name: "without an intent the charge leads to it", facts: []Fact{paid, charge, fact(10, Disputed, "dp_1", "ch_1")}, want: disputedState},
		{name: "without an intent a refund of the charge leads to it", facts: []Fact{paid, refundOf(5, false, "ch_1", "pi_1"), fact(10, Disputed, "dp_1", "ch_1")}, want: disputedState},
		{name: "alone it is all that is known", facts: []Fact{opened}, want: "FAILED dispute seat session_expired@25h0m0s"},

		{name: "of a canceled one does not give the place back", facts: []Fact{fact(1, IntentCanceled, "pi_1"), opened}, want: "FAILED dispute removed"},
		{name: "of an expired one does not give the place back", facts: []Fact{fact(1, SessionExpired, "cs_now"), fact(10, Disputed, "dp_0", "ch_0")}, want: "FAILED dispute removed"},
		{name: "won of an expired one leaves it removed", facts: []Fact{fact(1, SessionExpired, "cs_now", "pi_1"), opened, closed(11, "won", "dp_1", "ch_1")}, want: expiredState},
		{name: "of a refunded one does not give the place back", facts: []Fact{paid, refundOf(5, true, "ch_1", "pi_1"), opened}, want: "FAILED dispute"},
		{name: "won of a refunded one leaves it refunded", facts: []Fact{paid, refundOf(5, true, "ch_1", "pi_1"), opened, closed(11, "won", "dp_1", "ch_1")}, want: refundedState},
		{name: "lost of a refunded one", facts: []Fact{paid, refundOf(5, true, "ch_1", "pi_1"), opened, closed(11, "lost", "dp_1", "ch_1")}, want: lostState},

		{name: "of one of two payments leaves the other", facts: []Fact{paid, opened, fact(5, Paid, "cs_old", "pi_0")}, want: paidState},
		{name: "lost of one of two payments leaves the other", facts: []Fact{paid, opened, closed(11, "lost", "dp_1", "ch_1"), fact(5, Paid, "cs_old", "pi_0")}, want: paidState},
		{name: "of the stale payment, while the current session is open", facts: []Fact{fact(1, Paid, "cs_old", "pi_1"), opened}, want: disputedState},
		{name: "of the stale payment, while the current one is on its way", facts: []Fact{fact(1, Paid, "cs_old", "pi_1"), opened, fact(5, PaymentProcessing, "cs_now", "pi_2")}, want: disputedState},
		{name: "lost of the stale payment releases nothing", facts: []Fact{fact(1, Paid, "cs_old", "pi_1"), opened, closed(11, "lost", "dp_1", "ch_1")}, want: openState},
		{name: "of a payment on its way keeps it", facts: []Fact{fact(1, PaymentProcessing, "cs_now", "pi_1"), opened}, want: disputedState},
	})
}
