package registration

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// outbox keeps slots as the store does: a wanted mail goes in unless its slot, or one that is the same, is there.
type outbox []Mail

func (o *outbox) take(s State) {
	for _, m := range s.Mails {
		if !slices.ContainsFunc(*o, func(sent Mail) bool { return sent.Slot == m.Slot || slices.Contains(m.Same, sent.Slot) }) {
			*o = append(*o, m)
		}
	}
}

// arrive settles after each fact, and after each again as a replay would, and returns what was mailed.
func arrive(r Registration, facts []Fact) outbox {
	var o outbox
	for i := range facts {
		o.take(Settle(r, facts[:i+1], usualPolicy))
	}
	for i := range facts {
		o.take(Settle(r, facts[:i+1], usualPolicy))
	}
	return o
}

func TestOneThingIsMailedOnceInWhateverOrderItIsTold(t *testing.T) {
	t.Parallel()
	expired, canceled := fact(1, SessionExpired, "cs_now"), fact(1, IntentCanceled, "pi_1")
	tie := fact(2, PaymentFailed, "cs_now", "pi_1").with(ofSession)
	ofCharge := fact(2, PaymentFailed, "pi_1", "ch_1")
	completed := fact(0, PaymentProcessing, "cs_now", "pi_1")
	clock := func(change ...func(*Registration)) Fact {
		return Lapsed(usual(change...), Settle(usual(change...), nil, usualPolicy))
	}
	for _, c := range []struct {
		name  string
		row   []func(*Registration)
		facts []Fact
		want  int
	}{
		{"an expiry and a cancellation", nil, []Fact{expired, canceled}, 1},
		{"an expiry and a cancellation of one intent", nil, []Fact{fact(1, SessionExpired, "cs_now", "pi_1"), canceled}, 1},
		{"an expiry, told by Stripe and by the clock", nil, []Fact{expired, clock()}, 1},
		{"an expiry told by both, and a cancellation", nil, []Fact{expired, clock(), canceled}, 1},
		{"an expiry, the intent known later", nil, []Fact{expired, fact(2, SessionExpired, "cs_now", "pi_1")}, 1},
		{"an expiry by the clock where no session is known, and Stripe's", []func(*Registration){withoutSession}, []Fact{clock(withoutSession), expired}, 1},
		{"an expiry by the clock where no session is known, and a cancellation", []func(*Registration){withoutSession}, []Fact{clock(withoutSession), canceled}, 1},
		{"an expiry by the clock where no session is known, and all of Stripe's", []func(*Registration){withoutSession}, []Fact{clock(withoutSession), expired, canceled}, 1},
		{"a delayed payment's failure, told twice", nil, []Fact{completed, tie, ofCharge}, 1},
		{"a delayed payment's failure, told twice without a charge", nil, []Fact{completed, tie, fact(2, PaymentFailed, "pi_1")}, 1},
		{"two true declines", nil, []Fact{ofCharge, fact(2, PaymentFailed, "pi_1", "ch_2")}, 2},
		{"two true declines, one without a charge", nil, []Fact{ofCharge, fact(2, PaymentFailed, "pi_1")}, 2},
		{"a payment, told twice", nil, []Fact{fact(1, Paid, "cs_now", "pi_1"), fact(2, Paid, "cs_now", "pi_1")}, 1},
		{"a payment whose intent is known later", nil, []Fact{fact(1, Paid, "cs_now"), fact(2, Paid, "cs_now", "pi_1")}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for order := range permutations(c.facts) {
				if got := arrive(usual(c.row...), order); len(got) != c.want {
					t.Errorf("%s: mailed %s, want %d", kinds(order), lines(got), c.want)
				}
			}
		})
	}
}

// permutations yields each order of the facts.
func permutations(facts []Fact) func(func([]Fact) bool) {
	var from func(k int, order []Fact, yield func([]Fact) bool) bool
	from = func(k int, order []Fact, yield func([]Fact) bool) bool {
		if k == len(order) {
			return yield(order)
		}
		for i := k; i < len(order); i++ {
			next := slices.Clone(order)
			next[k], next[i] = next[i], next[k]
			if !from(k+1, next, yield) {
				return false
			}
		}
		return true
	}
	return func(yield func([]Fact) bool) { from(0, slices.Clone(facts), yield) }
}

func kinds(facts []Fact) string {
	var out []string
	for _, f := range facts {
		out = append(out, string(f.Kind))
	}
	return strings.Join(out, ", ")
}

func lines(o outbox) string {
	var out []string
	for _, m := range o {
		out = append(out, mailLine(m))
	}
	return strings.Join(out, "; ")
}

func TestNoOrderOfArrivalMailsAThingTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &storyteller{t: t}
		r := s.row()
		session := map[string]string{} // of each fact, as it truly is
		failures := map[string]int{}   // of each session, as the buyer saw them
		var facts []Fact
		for n, id := range []string{"cs_0", "cs_1", "cs_2"}[:rapid.IntRange(1, 3).Draw(t, "sessions")] {
			told := false // that a delayed payment failed: what its intent tells then is the same
			for _, f := range s.tryToPay(n) {
				facts = append(facts, f)
				session[f.ID] = id
				if f.Kind == PaymentFailed && !told {
					failures[id]++
				}
				told = told || f.SessionAsync
			}
		}
		once := map[string]int{}
		for _, m := range arrive(r, rapid.Permutation(facts).Draw(t, "arrival")) {
			id := session[m.Fact.ID]
			switch m.Kind {
			case MailPaymentFailed:
				once[string(m.Kind)+" "+id]++
			case MailPaymentCanceled, MailSessionExpired:
				once["removal "+id]++
			case MailDisputeOpened, MailDisputeClosed, MailAttention:
				once[string(m.Kind)+" "+m.Slot]++
			default:
				once[string(m.Kind)+" "+id]++
			}
		}
		for what, n := range once {
			most := 1
			if id, failed := strings.CutPrefix(what, string(MailPaymentFailed)+" "); failed {
				most = failures[id]
			}
			if n > most {
				t.Errorf("%s was mailed %d times, it happened %d times", what, n, most)
			}
		}
	})
}
