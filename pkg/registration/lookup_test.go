package registration

import (
	"testing"
	"time"
)

func TestWhatStripeSaysWhenAsked(t *testing.T) {
	t.Parallel()
	open := func(expires int, session string) Fact {
		return fact(1, SessionOpen, session).with(func(f *Fact) { f.DueBy = at(expires) })
	}
	paid := fact(10, Paid, "cs_now", "pi_1")
	dispute := fact(20, Disputed, "dp_1", "ch_1")
	located := fact(20, Located, "cs_now", "pi_1", "ch_1")
	testSettled(t, []settled{
		{name: "a session that is open longer moves the deadline", facts: []Fact{open(48*3600, "cs_now")}, want: "PENDING seat session_expired@49h0m0s"},
		{name: "a shorter answer does not bring it forward", facts: []Fact{open(3600, "cs_now")}, want: openState},
		{name: "another session's answer moves nothing", facts: []Fact{open(48*3600, "cs_old")}, want: openState},
		{name: "a dispute that nothing ties leaves the payment", facts: []Fact{paid, dispute}, want: "PAID seat"},
		{name: "once Stripe said whose charge it is, it does not", facts: []Fact{paid, dispute, located}, want: "FAILED dispute seat"},
		{name: "the answer alone is no payment", facts: []Fact{located}, want: openState},
	})
}

func TestAnOpenSessionCountsForARowThatNamesNone(t *testing.T) {
	t.Parallel()
	f := fact(1, SessionOpen, "cs_any")
	f.DueBy = at(48 * 3600)
	if got := Settle(usual(withoutSession), []Fact{f}, usualPolicy).Deadline; !got.Equal(at(49 * 3600)) {
		t.Errorf("the deadline is %s", got.Sub(noon).Round(time.Second))
	}
}
