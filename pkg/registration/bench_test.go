package registration

import "testing"

// BenchmarkSettle settles a registration that was declined once, then paid with another card and refunded.
func BenchmarkSettle(b *testing.B) {
	row := usual()
	facts := []Fact{
		fact(1, PaymentFailed, "cs_now", "pi_1", "ch_1"), fact(2, ActionRequired, "cs_now", "pi_1"), fact(3, IntentSucceeded, "pi_1", "ch_2"),
		fact(4, Paid, "cs_now", "pi_1"), refundOf(5, true, "ch_2", "pi_1"),
	}
	b.ReportAllocs()
	for b.Loop() {
		if s := Settle(row, facts, usualPolicy); s.Status != RefundedStatus {
			b.Fatal(s.Status)
		}
	}
}
