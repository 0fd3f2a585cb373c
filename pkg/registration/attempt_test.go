package registration

import "testing"

func TestFactsOfOneTryToPayAreOneAttempt(t *testing.T) {
	t.Parallel()
	testSettled(t, []settled{
		{
			name:  "an intent belongs to the session that its payment names",
			facts: []Fact{fact(1, PaymentFailed, "pi_1", "ch_1"), fact(9, Paid, "cs_now", "pi_1")},
			want:  paidState,
		},
		{
			name: "the tie may be the last fact of all",
			facts: []Fact{
				fact(1, IntentSucceeded, "pi_1", "ch_1"), fact(2, Paid, "cs_now"), fact(3, Disputed, "dp_1", "ch_1"),
				fact(4, SessionExpired, "cs_now", "pi_1"),
			},
			want: disputedState,
		},
		{
			name: "a charge belongs to the intent that succeeded with it",
			facts: []Fact{
				fact(1, Paid, "cs_now", "pi_1"), fact(1, IntentSucceeded, "pi_1", "ch_1"), refundOf(5, true, "ch_1"),
			},
			want: refundedState,
		},
		{
			name:  "a charge belongs to the intent that its refund names",
			facts: []Fact{fact(1, Paid, "cs_now", "pi_1"), refundOf(5, false, "ch_1", "pi_1"), fact(6, Disputed, "dp_1", "ch_1")},
			want:  disputedState,
		},
		{
			name: "a dispute's close belongs to the intent that its opening names",
			facts: []Fact{
				fact(1, Paid, "cs_now", "pi_1"), fact(5, Disputed, "dp_1", "ch_1", "pi_1"), closed(9, "lost", "dp_1", "ch_1"),
			},
			want: lostState,
		},
		{
			name: "whichever of its facts names the intent",
			facts: []Fact{
				fact(1, Paid, "cs_now", "pi_1"), fact(5, Disputed, "dp_1", "pi_1"), closed(9, "won", "dp_1", "ch_1"),
			},
			want: paidState,
		},
		{
			name: "information about a dispute ties it, and changes nothing else",
			facts: []Fact{
				fact(1, Paid, "cs_now", "pi_1"), fact(5, Disputed, "dp_1", "ch_1"), fact(6, DisputeUpdated, "dp_1", "ch_1", "pi_1"),
			},
			want: disputedState,
		},
		{
			name:  "a tie of a dispute that was made before the payment",
			facts: []Fact{fact(5, Paid, "cs_now", "pi_1"), fact(1, Disputed, "dp_1", "ch_1", "pi_1")},
			want:  disputedState,
		},
		{
			name:  "a dispute that nothing ties leaves the payment standing",
			facts: []Fact{fact(1, Paid, "cs_now", "pi_1"), fact(5, Disputed, "dp_1", "ch_9")},
			want:  paidState,
		},
		{
			name: "two intents of one session are one attempt",
			facts: []Fact{
				fact(1, PaymentProcessing, "cs_now", "pi_1"), fact(2, SessionExpired, "cs_now", "pi_2"), fact(3, PaymentFailed, "pi_2", "ch_2"),
			},
			want: expiredState,
		},
		{
			name: "of two sessions that name one intent the first has it",
			facts: []Fact{
				fact(1, SessionExpired, "cs_old", "pi_1"), fact(2, SessionExpired, "cs_now", "pi_1"), fact(3, Paid, "cs_old", "pi_1"),
				refundOf(4, true, "ch_1", "pi_1"),
			},
			want: expiredState,
		},
		{
			name: "of two intents that a dispute names the first has it",
			facts: []Fact{
				fact(1, Paid, "cs_now", "pi_1"), fact(2, Disputed, "dp_1", "ch_1", "pi_1"), closed(3, "won", "dp_1", "ch_1", "pi_2"),
			},
			want: paidState,
		},
	})
}
