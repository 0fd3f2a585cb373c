package registration

import "testing"

func TestPhasesOfAnAttempt(t *testing.T) {
	t.Parallel()
	completed := fact(10, PaymentProcessing, "cs_now", "pi_1")
	testSettled(t, []settled{
		{name: "no facts at all is open", want: openState},
		{name: "an intent that succeeded is processing", facts: []Fact{fact(1, IntentSucceeded, "pi_1", "ch_1")}, want: processingState},
		{name: "completed and unpaid is processing", facts: []Fact{completed}, want: processingState},
		{name: "paid is good", facts: []Fact{completed, fact(99, Paid, "cs_now", "pi_1")}, want: paidState},
		{
			name:  "a failure before the completion does not end it",
			facts: []Fact{fact(9, PaymentFailed, "pi_1", "ch_1"), completed},
			want:  processingState,
		},
		{
			name:  "a failure in the second of the completion ends it",
			facts: []Fact{fact(10, PaymentFailed, "pi_1", "ch_1"), completed},
			want:  failedState(10),
		},
		{
			name:  "a failure after the completion ends it",
			facts: []Fact{fact(11, PaymentFailed, "pi_1", "ch_1"), completed},
			want:  failedState(11),
		},
		{
			name:  "a failure of another intent does not end it",
			facts: []Fact{fact(11, PaymentFailed, "pi_2", "ch_2"), completed},
			want:  processingState,
		},
		{
			name:  "the session's own failure ends it whenever it was made",
			facts: []Fact{fact(9, PaymentFailed, "cs_now", "pi_1").with(ofSession), completed},
			want:  failedState(9),
		},
		{
			name:  "a cancellation ends it whenever it was made",
			facts: []Fact{fact(9, IntentCanceled, "pi_1"), completed},
			want:  canceledState,
		},
		{
			name:  "an expiry does not end it",
			facts: []Fact{fact(11, SessionExpired, "cs_now"), completed},
			want:  processingState,
		},
		{
			name:  "a failure does not end an intent that succeeded",
			facts: []Fact{fact(9, IntentSucceeded, "pi_1", "ch_2"), fact(11, PaymentFailed, "pi_1", "ch_1")},
			want:  processingState,
		},
		{
			name:  "a failure ends the completion, not the success beside it",
			facts: []Fact{completed, fact(11, PaymentFailed, "pi_1", "ch_1"), fact(20, IntentSucceeded, "pi_1", "ch_2")},
			want:  processingState,
		},
		{
			name:  "the session's own failure ends a success",
			facts: []Fact{fact(9, IntentSucceeded, "cs_now", "pi_1"), fact(11, PaymentFailed, "cs_now").with(ofSession)},
			want:  failedState(11),
		},
		{
			name:  "a cancellation ends a success",
			facts: []Fact{fact(9, IntentSucceeded, "pi_1"), fact(11, IntentCanceled, "pi_1")},
			want:  canceledState,
		},
		{
			name:  "canceled comes before expired",
			facts: []Fact{fact(1, IntentCanceled, "pi_1"), fact(2, SessionExpired, "cs_now", "pi_1")},
			want:  canceledState,
		},
		{
			name:  "expired comes before failed",
			facts: []Fact{fact(1, SessionExpired, "cs_now", "pi_1"), fact(2, PaymentFailed, "pi_1", "ch_1")},
			want:  expiredState,
		},
		{
			name:  "a failure after an action is a failure",
			facts: []Fact{fact(1, ActionRequired, "pi_1"), fact(2, PaymentFailed, "pi_1", "ch_1")},
			want:  failedState(2),
		},
		{
			name:  "a failure in the second of an action is a failure",
			facts: []Fact{fact(2, ActionRequired, "pi_1"), fact(2, PaymentFailed, "pi_1", "ch_1")},
			want:  failedState(2),
		},
		{
			name:  "an action after a failure is open",
			facts: []Fact{fact(3, ActionRequired, "pi_1"), fact(2, PaymentFailed, "pi_1", "ch_1")},
			want:  openState,
		},
		{
			name:  "the latest of several is what counts",
			facts: []Fact{fact(1, PaymentFailed, "pi_1", "ch_1"), fact(2, ActionRequired, "pi_1"), fact(3, PaymentFailed, "pi_1", "ch_2")},
			want:  failedState(1),
		},
	})
}
