package registration

import "testing"

func TestTheFirstRuleThatAppliesSettles(t *testing.T) {
	t.Parallel()
	var (
		good       = []Fact{fact(1, Paid, "cs_old", "pi_old")}
		disputed   = []Fact{fact(1, Paid, "cs_2", "pi_2"), fact(2, Disputed, "dp_2", "pi_2")}
		processing = []Fact{fact(1, PaymentProcessing, "cs_3", "pi_3")}
		lost       = []Fact{fact(1, Paid, "cs_4", "pi_4"), fact(2, Disputed, "dp_4", "pi_4"), closed(3, "lost", "dp_4", "pi_4")}
		refunded   = []Fact{fact(1, Paid, "cs_5", "pi_5"), refundOf(2, true, "ch_5", "pi_5")}
		canceled   = []Fact{fact(1, IntentCanceled, "pi_6")}
		expired    = []Fact{fact(1, SessionExpired, "cs_7")}
		failed     = []Fact{fact(1, PaymentFailed, "pi_8", "ch_8")}
		open       = []Fact{fact(1, ActionRequired, "pi_9")}
	)
	all := [][]Fact{good, disputed, processing, lost, refunded, canceled, expired, failed, open}
	from := func(rule int) []Fact {
		var facts []Fact
		for _, f := range all[rule:] {
			facts = append(facts, f...)
		}
		return facts
	}
	every := []func(*Registration){withoutSession} // so that every attempt is current
	testSettled(t, []settled{
		{name: "good", row: every, facts: from(0), want: paidState},
		{name: "a dispute is open, and but for it the payment would stand", row: every, facts: from(1), want: "FAILED dispute seat"},
		{name: "processing", row: every, facts: from(2), want: processingState},
		{name: "a dispute lost", row: every, facts: from(3), want: lostState},
		{name: "refunded", row: every, facts: from(4), want: refundedState},
		{name: "canceled", row: every, facts: from(5), want: canceledState},
		{name: "expired", row: every, facts: from(6), want: expiredState},
		{name: "failed", row: every, facts: from(7), want: failedState(1)},
		{name: "open", row: every, facts: from(8), want: openState},
	})
}

func TestALatePaymentRestores(t *testing.T) {
	t.Parallel()
	paid := fact(99, Paid, "cs_now", "pi_1")
	testSettled(t, []settled{
		{name: "what was canceled", facts: []Fact{fact(1, IntentCanceled, "pi_1"), paid}, want: paidState},
		{name: "what expired", facts: []Fact{fact(1, SessionExpired, "cs_now"), paid}, want: paidState},
		{
			name:  "what the clock let expire",
			facts: []Fact{Lapsed(usual(), Settle(usual(), nil, usualPolicy)), paid},
			want:  paidState,
		},
		{
			name:  "whose hold has expired",
			facts: []Fact{fact(1, PaymentFailed, "pi_1", "ch_1"), fact(2, HoldExpired, "cs_now"), paid},
			want:  paidState,
		},
		{
			name:  "what expired, while it is on its way",
			facts: []Fact{fact(1, SessionExpired, "cs_now"), fact(2, PaymentProcessing, "cs_now", "pi_1")},
			want:  processingState,
		},
		{
			name:  "what was refunded, by paying again",
			facts: []Fact{fact(1, Paid, "cs_old", "pi_0"), refundOf(2, true, "ch_0", "pi_0"), paid},
			want:  paidState,
		},
		{
			name:  "what a lost dispute took, by paying again",
			facts: []Fact{fact(1, Paid, "cs_old", "pi_0"), closed(2, "lost", "dp_0", "pi_0"), paid},
			want:  paidState,
		},
	})
}

func TestANewSessionRestoresWhatTheOldOneRemoved(t *testing.T) {
	t.Parallel()
	gone := []Fact{fact(1, SessionExpired, "cs_old", "pi_0"), fact(1, IntentCanceled, "pi_0")}
	testSettled(t, []settled{
		{name: "the old session is current", row: []func(*Registration){func(r *Registration) { r.Session = "cs_old" }}, facts: gone, want: canceledState},
		{name: "the new session is current", facts: gone, want: openState},
	})
}

func TestTheStateSaysWhichFactDecided(t *testing.T) {
	t.Parallel()
	paid, again := fact(5, Paid, "cs_now", "pi_1"), fact(7, Paid, "cs_old", "pi_2")
	dispute := fact(9, Disputed, "dp_1", "pi_1")
	failure, later := fact(1, PaymentFailed, "pi_1", "ch_1"), fact(2, PaymentFailed, "pi_1", "ch_2")
	for _, c := range []struct {
		name     string
		facts    []Fact
		decisive string
		paid     bool
	}{
		{"nothing", nil, "", false},
		{"the latest failure", []Fact{failure, later}, later.ID, false},
		{"the oldest payment", []Fact{failure, again, paid}, paid.ID, true},
		{"a dispute, which keeps the time of the payment", []Fact{paid, dispute}, dispute.ID, true},
		{"a lost dispute, which does not", []Fact{paid, dispute, closed(10, "lost", "dp_1", "pi_1")}, closed(10, "lost", "dp_1", "pi_1").ID, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := settle(t, usual(), c.facts)
			if s.Decisive != c.decisive {
				t.Errorf("decided by %q, want %q", s.Decisive, c.decisive)
			}
			if c.paid != s.PaidAt.Equal(paid.Created) || !c.paid && !s.PaidAt.IsZero() {
				t.Errorf("paid at %v", s.PaidAt)
			}
		})
	}
}
