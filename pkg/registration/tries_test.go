package registration

import (
	"fmt"
	"strings"
	"testing"
)

func TestEveryTryToPayIsToldWithWhereItStands(t *testing.T) {
	t.Parallel()
	facts := []Fact{
		fact(1, PaymentFailed, "pi_old", "ch_old").with(func(f *Fact) { f.IntentCreated = at(-3600) }),
		fact(2, Paid, "cs_old", "pi_2"), fact(3, Disputed, "dp_2", "ch_2", "pi_2"), refundOf(3, false, "ch_2", "pi_2"),
		fact(4, Paid, "cs_now", "pi_3"), fact(5, Disputed, "dp_3", "pi_3"), closed(6, "won", "dp_3", "pi_3"),
		fact(7, Paid, "pi_4"), fact(8, Disputed, "dp_4", "pi_4"), closed(9, "lost", "dp_4", "pi_4"),
		fact(10, Paid, "pi_5"), refundOf(11, true, "ch_5", "pi_5"),
		fact(12, IntentSucceeded, "pi_6", "ch_6"), fact(13, IntentCanceled, "pi_7"), fact(14, SessionExpired, "cs_8"), fact(15, ActionRequired, "pi_9"),
	}
	want := []string{
		"/pi_old/ch_old stale failed by payment_failed", "cs_old/pi_2/ch_2 stale disputed by disputed paid disputes dp_2",
		"cs_now/pi_3/ current paid by paid paid", "/pi_4/ current dispute lost by dispute_closed paid", "/pi_5/ch_5 current refunded by refunded paid",
		"/pi_6/ch_6 current processing by intent_succeeded", "/pi_7/ current canceled by canceled", "cs_8// stale expired by session_expired",
		"/pi_9/ current open by action_required",
	}
	tries := Tries(usual(), facts)
	if len(tries) != len(want) {
		t.Fatalf("%d tries, want %d", len(tries), len(want))
	}
	for i, try := range tries {
		got := fmt.Sprintf("%s/%s/%s stale %s by %s", try.Session, try.Intent, try.Charge, try.Stands, try.Because.Kind)
		if try.Current {
			got = strings.Replace(got, "stale", "current", 1)
		}
		if try.Paid != nil {
			got += " paid"
		}
		for _, d := range try.Disputes {
			got += " disputes " + d.Dispute
		}
		if got != want[i] {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
	if tries := Tries(usual(), nil); len(tries) != 0 {
		t.Errorf("without facts: %+v", tries)
	}
}
