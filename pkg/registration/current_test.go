package registration

import (
	"testing"
	"time"
)

func TestOnlyCurrentAttemptsFailCancelOrExpire(t *testing.T) {
	t.Parallel()
	moment := func(r *Registration) { r.SessionCreatedAt = at(1000) }
	timeless := func(r *Registration) { r.SessionCreatedAt = time.Time{} }
	testSettled(t, []settled{
		{name: "the registration's session expires", facts: []Fact{fact(1, SessionExpired, "cs_now")}, want: expiredState},
		{name: "another session expires", facts: []Fact{fact(1, SessionExpired, "cs_old")}, want: openState},
		{name: "another session's intent is canceled", facts: []Fact{fact(1, IntentCanceled, "pi_0"), fact(2, SessionExpired, "cs_old", "pi_0")}, want: openState},
		{name: "another session's intent fails", facts: []Fact{fact(1, PaymentFailed, "pi_0"), fact(2, SessionExpired, "cs_old", "pi_0")}, want: openState},
		{name: "another session's payment fails in the end", facts: []Fact{fact(2, PaymentFailed, "cs_old").with(ofSession)}, want: openState},
		{name: "another session's payment was refunded", facts: []Fact{fact(1, Paid, "cs_old", "pi_0"), refundOf(2, true, "ch_0", "pi_0")}, want: openState},
		{name: "another session's dispute was lost", facts: []Fact{fact(1, Paid, "cs_old", "pi_0"), closed(2, "lost", "dp_0", "pi_0")}, want: openState},
		{name: "another session's payment counts", facts: []Fact{fact(1, Paid, "cs_old", "pi_0")}, want: paidState},
		{name: "another session's payment on its way counts", facts: []Fact{fact(1, PaymentProcessing, "cs_old", "pi_0")}, want: processingState},
		{name: "another session's dispute counts while it is open", facts: []Fact{fact(1, Disputed, "dp_0", "pi_0"), fact(1, Paid, "cs_old", "pi_0")}, want: disputedState},

		{name: "an intent of unknown session made long before the session", row: []func(*Registration){moment}, facts: []Fact{fact(1100, IntentCanceled, "pi_0").with(madeAt(939))}, want: openState},
		{name: "an intent of unknown session made 60 s before the session", row: []func(*Registration){moment}, facts: []Fact{fact(1100, IntentCanceled, "pi_0").with(madeAt(940))}, want: canceledState},
		{name: "an intent of unknown session made after the session", row: []func(*Registration){moment}, facts: []Fact{fact(1100, IntentCanceled, "pi_0").with(madeAt(1050))}, want: canceledState},
		{name: "an intent of unknown session and time", row: []func(*Registration){moment}, facts: []Fact{fact(1100, IntentCanceled, "pi_0")}, want: canceledState},
		{name: "an intent of unknown session, where the session's time is unknown", row: []func(*Registration){timeless}, facts: []Fact{fact(1100, IntentCanceled, "pi_0").with(madeAt(-9999))}, want: canceledState},
		{name: "another fact of the intent tells when it was made", row: []func(*Registration){moment}, facts: []Fact{fact(900, ActionRequired, "pi_0").with(madeAt(900)), fact(1100, IntentCanceled, "pi_0")}, want: openState},
		{name: "a tie to the session counts more than the time", row: []func(*Registration){moment}, facts: []Fact{fact(1100, IntentCanceled, "pi_0").with(madeAt(1)), fact(1101, SessionExpired, "cs_now", "pi_0")}, want: canceledState},

		{name: "without a session every session is current", row: []func(*Registration){withoutSession}, facts: []Fact{fact(1, SessionExpired, "cs_old")}, want: expiredState},
		{name: "without a session every intent is current", row: []func(*Registration){withoutSession}, facts: []Fact{fact(1, IntentCanceled, "pi_0").with(madeAt(-9999))}, want: canceledState},
		{name: "what expired without a session does not touch the session set later", facts: []Fact{Lapsed(usual(withoutSession), Settle(usual(withoutSession), nil, usualPolicy))}, want: openState},
	})
}
