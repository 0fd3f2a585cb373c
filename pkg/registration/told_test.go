package registration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWhatAStateWantedInThePastIsTold(t *testing.T) {
	t.Parallel()
	paid, disputed := fact(1, Paid, "cs_now", "pi_1"), fact(9, Disputed, "dp_1", "pi_1")
	for name, c := range map[string]struct {
		facts []Fact
		hours int // after noon
		want  []string
	}{
		"nothing happened":                      {nil, 1, nil},
		"nothing happened, and time has passed": {nil, 26, []string{"removed:cs_now"}},
		"paid":                                  {[]Fact{paid}, 1, []string{"paid:pi_1"}},
		"paid, then disputed: a dispute won would confirm again": {[]Fact{disputed, paid}, 1, []string{"dispute:dp_1", "paid:pi_1"}},
		"paid and disputed within a second": {
			[]Fact{paid, fact(1, Disputed, "dp_1", "pi_1")}, 1, []string{"dispute:dp_1", "paid:pi_1"},
		},
		"declined twice, and trying again": {
			[]Fact{fact(2, PaymentFailed, "pi_1", "ch_1"), fact(3, PaymentFailed, "pi_1", "ch_2"), fact(4, ActionRequired, "pi_1")}, 1,
			[]string{"action:pi_1", "failed:pi_1:ch_1", "failed:pi_1:ch_2"},
		},
		"the session known before its intent": {
			[]Fact{fact(1, Paid, "cs_now"), fact(2, Paid, "cs_now", "pi_1")}, 1, []string{"paid:cs_now"},
		},
		"an intent that succeeded just now": {[]Fact{fact(3500, IntentSucceeded, "pi_1")}, 1, nil},
		"an intent that succeeded long ago": {[]Fact{fact(1, IntentSucceeded, "pi_1")}, 1, []string{"attention:unconfirmed_payment:pi_1"}},
		"a double payment, one disputed": {
			[]Fact{paid, fact(5, Paid, "cs_old", "pi_0"), fact(9, Disputed, "dp_0", "pi_0")}, 1,
			[]string{"attention:double_payment:pi_0", "dispute:dp_0", "paid:pi_0", "paid:pi_1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, m := range Told(usual(), c.facts, usualPolicy, at(c.hours*3600)) {
				got = append(got, m.Slot)
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// What is told of the facts so far is mailed by nothing that is settled later, unless it would have been mailed
// then had nothing been lost.
func TestNoMailComesAgainAfterWhatIsTold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := realistic(t)
		facts := inOrder(h.facts)
		cut := rapid.IntRange(0, len(facts)).Draw(t, "lost and replayed")
		var kept, told outbox
		for i := range cut {
			kept.take(Settle(h.row, facts[:i+1], usualPolicy))
		}
		told.take(State{Mails: Told(h.row, facts[:cut], usualPolicy, time.Time{})})
		for _, m := range kept {
			if !slices.ContainsFunc(told, func(k Mail) bool { return k.Slot == m.Slot || slices.Contains(k.Same, m.Slot) }) {
				t.Fatalf("%s was mailed, and is not told", m.Slot)
			}
		}
		before := len(told)
		mailed := len(kept)
		for i := cut; i < len(facts); i++ {
			kept.take(Settle(h.row, facts[:i+1], usualPolicy))
			told.take(Settle(h.row, facts[:i+1], usualPolicy))
		}
		for _, m := range told[before:] {
			if !slices.ContainsFunc(kept[mailed:], func(k Mail) bool { return k.Slot == m.Slot }) {
				t.Fatalf("%s is mailed again", m.Slot)
			}
		}
	})
}

func TestManyFactsAreToldInBoundedTime(t *testing.T) {
	t.Parallel()
	var facts []Fact
	for i := range 20_000 {
		facts = append(facts, fact(i, PaymentFailed, "pi_1", fmt.Sprintf("ch_%d", i)))
	}
	mails := Told(usual(), facts, usualPolicy, at(0))
	if len(mails) != len(facts) || !strings.HasPrefix(mails[0].Slot, "failed:pi_1:ch_") {
		t.Errorf("%d mails", len(mails))
	}
}
