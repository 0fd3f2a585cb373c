package registration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestOrderAndRepetitionOfFactsChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, p := wild(t), policies(t)
		want := fmt.Sprintf("%+v", Settle(h.row, h.facts, p))
		arrived := slices.Clone(h.facts)
		if len(h.facts) > 0 {
			arrived = append(arrived, rapid.SliceOf(rapid.SampledFrom(h.facts)).Draw(t, "duplicates")...)
		}
		arrived = rapid.Permutation(arrived).Draw(t, "arrival")
		if got := fmt.Sprintf("%+v", Settle(h.row, arrived, p)); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

func TestSettlingLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, p := wild(t), policies(t)
		arrived := rapid.Permutation(h.facts).Draw(t, "arrival")
		before := fmt.Sprintf("%+v", arrived)
		fresh := fmt.Sprintf("%+v", Settle(h.row, slices.Clone(arrived), p))
		some := arrived[:rapid.IntRange(0, len(arrived)).Draw(t, "some")]
		first := fmt.Sprintf("%+v", Settle(h.row, some, p))
		if got := fmt.Sprintf("%+v", Settle(h.row, arrived, p)); got != fresh {
			t.Fatalf("after settling some of them\n%s\nat once\n%s", got, fresh)
		}
		if got := fmt.Sprintf("%+v", Settle(h.row, some, p)); got != first {
			t.Fatalf("some of them after all\n%s\nbefore\n%s", got, first)
		}
		if got := fmt.Sprintf("%+v", arrived); got != before {
			t.Fatalf("the facts were\n%s\nthey are\n%s", before, got)
		}
	})
}

func TestStatesAreConsistent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, p := wild(t), policies(t)
		s := Settle(h.row, h.facts, p)
		disputed := s.Status == Failed && s.Cause == CauseDispute
		for rule, holds := range map[string]bool{
			"a deadline says what lapses":             s.Deadline.IsZero() == (s.Lapse == ""),
			"only a place that is held can lapse":     s.Lapse == "" || s.SeatWish,
			"what is removed holds no place":          !s.Removed || !s.SeatWish,
			"only a failure has a cause":              (s.Status == Failed) == (s.Cause != NoCause),
			"canceled and expired are removed":        s.Removed || s.Status != Canceled && s.Status != Expired,
			"removed is canceled, expired or a case":  !s.Removed || s.Status == Canceled || s.Status == Expired || disputed,
			"paid and pending wish for a place":       s.SeatWish || s.Status != PaidStatus && s.Status != Pending,
			"refunded has none":                       !s.SeatWish || s.Status != RefundedStatus,
			"paid has no deadline":                    s.Lapse == "" || s.Status != PaidStatus,
			"paid has a time":                         s.Status != PaidStatus || !s.PaidAt.IsZero(),
			"only paid has a time, or a case about":   s.PaidAt.IsZero() || s.Status == PaidStatus || disputed && s.SeatWish,
			"only a failed payment's hold can lapse":  s.Lapse != HoldExpired || s.Cause != NoCause,
			"what is decided is decided by some fact": s.Decisive != "" || s.Status == Pending,
		} {
			if !holds {
				t.Errorf("%s: %s", rule, describe(s))
			}
		}
	})
}

func TestSlotsAreUniqueWithinAState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := wild(t)
		slots := map[string]bool{}
		mails := Settle(h.row, h.facts, usualPolicy).Mails
		for _, m := range mails {
			if slots[m.Slot] {
				t.Errorf("slot %s is wanted twice", m.Slot)
			}
			slots[m.Slot] = true
		}
		for _, m := range mails {
			for _, same := range m.Same {
				if slots[same] {
					t.Errorf("slot %s stands for %s, which is wanted too", m.Slot, same)
				}
			}
		}
	})
}

func TestNoFailureUndoesAPayment(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := wild(t)
		h.facts = append(h.facts, fact(5, Paid, "cs_0", "pi_0"))
		if Settle(h.row, h.facts, usualPolicy).Status != PaidStatus {
			return // it was refunded or disputed
		}
		s := &storyteller{t: t, n: len(h.facts)}
		about := rapid.SampledFrom([]string{"cs_0", "cs_1", "cs_9", "pi_0", "pi_1", "pi_9"}).Draw(t, "about")
		f := s.tell(rapid.SampledFrom([]FactKind{PaymentFailed, IntentCanceled, SessionExpired, HoldExpired, ActionRequired}).Draw(t, "kind"), about)
		f.SessionAsync = f.Kind == PaymentFailed && f.Session != ""
		if got := Settle(h.row, append(h.facts, f), usualPolicy); got.Status != PaidStatus || !got.SeatWish {
			t.Fatalf("%s of %s made it %s", f.Kind, about, describe(got))
		}
	})
}

func TestAStaleSessionChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := wild(t)
		h.row.Session, h.row.SessionCreatedAt = "cs_0", at(5000)
		for _, g := range connected(h.facts) {
			stale := g.has(func(f Fact) bool { return f.Session == "cs_1" })
			if stale && (g.hasKind(PaymentProcessing) || g.hasKind(IntentSucceeded)) {
				return // its money is on its way: its end counts
			}
		}
		s := &storyteller{t: t, n: len(h.facts)}
		f := s.tell(rapid.SampledFrom([]FactKind{PaymentFailed, IntentCanceled, SessionExpired}).Draw(t, "kind"), "cs_1")
		f.SessionAsync = f.Kind == PaymentFailed
		if s.maybe("of an intent instead") {
			f.Session, f.Intent, f.IntentCreated = "", "pi_9", at(4939)
		}
		before := withMails(Settle(h.row, h.facts, usualPolicy))
		if got := withMails(Settle(h.row, append(h.facts, f), usualPolicy)); got != before {
			t.Fatalf("%s made it\n%s\nit was\n%s", f.Kind, got, before)
		}
	})
}

func TestAfterTheDeadlineThereIsNone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, p := wild(t), policies(t)
		ends := rapid.SliceOfDistinct(rapid.SampledFrom([]FactKind{Paid, PaymentProcessing, IntentSucceeded, IntentCanceled, SessionExpired}),
			rapid.ID[FactKind]).Draw(t, "what does not happen") // else few have a deadline
		h.facts = slices.DeleteFunc(h.facts, func(f Fact) bool { return slices.Contains(ends, f.Kind) })
		s := Settle(h.row, h.facts, p)
		if s.Deadline.IsZero() {
			return
		}
		lapsed := Lapsed(h.row, s)
		if lapsed.Created.After(s.Deadline) || s.Deadline.Sub(lapsed.Created) >= time.Second {
			t.Errorf("the deadline is %v, the fact's time %v", s.Deadline, lapsed.Created)
		}
		after := Settle(h.row, append(h.facts, lapsed), p)
		if !after.Deadline.IsZero() || after.SeatWish {
			t.Fatalf("before: %s\nafter: %s", describe(s), describe(after))
		}
	})
}
