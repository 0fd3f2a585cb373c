package registration

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// history is a registration with what is known about it.
type history struct {
	row   Registration
	facts []Fact
}

// storyteller draws facts. Their ids are drawn, so that the order of ids says nothing.
type storyteller struct {
	t     *rapid.T
	n     int // facts told
	clock int // seconds after noon
}

func (s *storyteller) maybe(what string) bool { return rapid.Bool().Draw(s.t, what) }

// wait lets some time pass, often none: Stripe's times have a resolution of one second.
func (s *storyteller) wait() {
	s.clock += rapid.SampledFrom([]int{0, 0, 0, 1, 2, 59, 61, 4000}).Draw(s.t, "wait")
}

func (s *storyteller) tell(kind FactKind, objects ...string) Fact {
	s.n++
	s.wait()
	f := fact(s.clock, kind, slices.DeleteFunc(objects, func(id string) bool { return id == "" })...)
	f.ID = fmt.Sprintf("evt_%03d_%03d", rapid.IntRange(0, 999).Draw(s.t, "id"), s.n)
	return f
}

// ifTold returns the id or nothing: Stripe's objects do not always name each other.
func (s *storyteller) ifTold(id string) string {
	if s.maybe("tells " + id) {
		return id
	}
	return ""
}

// tryToPay tells how somebody tries to pay in the n-th session: cs_n, pi_n, ch_n_0 and so on.
func (s *storyteller) tryToPay(n int) []Fact {
	session, intent := fmt.Sprintf("cs_%d", n), fmt.Sprintf("pi_%d", n)
	s.clock = rapid.SampledFrom([]int{0, 0, 30, 90, 5000}).Draw(s.t, "start")
	made := madeAt(s.clock)
	var facts []Fact
	charges := 0
	charge := func() string { charges++; return fmt.Sprintf("ch_%d_%d", n, charges) }
	for range rapid.IntRange(0, 2).Draw(s.t, "tries") {
		if s.maybe("3-D Secure") {
			facts = append(facts, s.tell(ActionRequired, intent).with(made))
		}
		if s.maybe("declined") {
			facts = append(facts, s.tell(PaymentFailed, intent, s.ifTold(charge())).with(made))
		}
	}
	last := charge()
	delayed := func() Fact { return s.tell(PaymentProcessing, session, intent) }
	paid := func() []Fact { return append([]Fact{s.tell(Paid, session, intent)}, s.money(intent, last)...) }
	switch rapid.SampledFrom([]string{"leaves", "pays", "pays later", "waits", "fails later", "cancels", "expires", "free"}).Draw(s.t, "end") {
	case "pays":
		facts = append(facts, paid()...)
	case "pays later":
		facts = append(append(facts, delayed()), paid()...)
	case "waits":
		facts = append(facts, delayed())
	case "fails later":
		facts = append(facts, delayed(), s.tell(PaymentFailed, session, intent).with(ofSession))
		if s.maybe("told twice") {
			facts = append(facts, s.tell(PaymentFailed, intent, last).with(made))
		}
	case "cancels":
		facts = append(facts, s.tell(IntentCanceled, intent).with(made))
	case "expires":
		facts = append(facts, s.tell(SessionExpired, session, s.ifTold(intent)))
		if s.maybe("cancels, too") {
			facts = append(facts, s.tell(IntentCanceled, intent).with(made))
		}
	case "free":
		facts = append(facts, s.tell(Paid, session).with(func(f *Fact) { f.Amount = 0 }))
	}
	return facts
}

// money tells what may become of a payment.
func (s *storyteller) money(intent, charge string) []Fact {
	var facts []Fact
	if s.maybe("success is told") {
		facts = append(facts, s.tell(IntentSucceeded, intent, s.ifTold(charge)))
	}
	for i := range rapid.IntRange(0, 2).Draw(s.t, "disputes") {
		dispute := fmt.Sprintf("dp_%s_%d", charge, i)
		facts = append(facts, s.tell(Disputed, dispute, charge, s.ifTold(intent)))
		for range rapid.IntRange(0, 2).Draw(s.t, "closes") {
			f := s.tell(DisputeClosed, dispute, charge, s.ifTold(intent))
			f.Outcome = rapid.SampledFrom([]string{"won", "lost", "warning_closed"}).Draw(s.t, "outcome")
			facts = append(facts, f)
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(s.t, "refunds") {
		f := s.tell(ChargeRefunded, charge, s.ifTold(intent))
		f.FullyRefunded = s.maybe("in full")
		facts = append(facts, f)
		if s.maybe("refund fails") {
			facts = append(facts, s.tell(RefundFailed, fmt.Sprintf("re_%s_%d", charge, i), charge, s.ifTold(intent)))
		}
	}
	return facts
}

// nonsense draws a fact that may contradict all others.
func (s *storyteller) nonsense() Fact {
	kinds := []FactKind{
		Paid, PaymentProcessing, PaymentFailed, ActionRequired, IntentCanceled, SessionExpired, HoldExpired, IntentSucceeded,
		Unconfirmed, Disputed, DisputeClosed, DisputeUpdated, ChargeRefunded, RefundFailed,
	}
	draw := func(ids ...string) string { return rapid.SampledFrom(append(ids, "", "")).Draw(s.t, "about") }
	s.clock = rapid.IntRange(0, 100).Draw(s.t, "at")
	f := s.tell(rapid.SampledFrom(kinds).Draw(s.t, "kind"), draw("cs_0", "cs_1", "cs_2"), draw("pi_0", "pi_1", "pi_2"),
		draw("ch_0_1", "ch_1_1", "ch_9"), draw("dp_ch_0_1_0", "dp_9"), draw("re_1", "re_2"))
	if f.Kind == HoldExpired { // Guichet's own: it names a session, or none
		f.Intent, f.Charge, f.Dispute = "", "", ""
	}
	f.Amount = rapid.Int64Range(0, 2).Draw(s.t, "amount")
	f.FullyRefunded, f.SessionAsync = s.maybe("in full"), s.maybe("of session")
	f.Outcome = draw("won", "lost")
	if s.maybe("tells when its intent was made") {
		f.IntentCreated = at(rapid.IntRange(-100, 100).Draw(s.t, "intent made"))
	}
	return f
}

// row draws a registration of which the platform tells much or little.
func (s *storyteller) row() Registration {
	r := usual(func(r *Registration) { r.Session = "cs_0" })
	r.SessionCreatedAt = at(rapid.SampledFrom([]int{0, 0, 61, 5000}).Draw(s.t, "session made"))
	if s.maybe("session's time unknown") {
		r.SessionCreatedAt = time.Time{}
	}
	if s.maybe("session's end unknown") {
		r.SessionExpiresAt = time.Time{}
	}
	if s.maybe("session unknown") {
		withoutSession(&r)
	}
	if s.maybe("amount unknown") {
		r.AmountDue = nil
	}
	return r
}

// realistic is a history as Stripe and Guichet's clock make them: what facts say of each other is true.
func realistic(t *rapid.T) history {
	s := &storyteller{t: t}
	h := history{row: s.row()}
	for n := range rapid.IntRange(0, 3).Draw(t, "sessions") {
		h.facts = append(h.facts, s.tryToPay(n)...)
	}
	if s.maybe("clock strikes") {
		h.facts = append(h.facts, s.tell(rapid.SampledFrom([]FactKind{HoldExpired, SessionExpired}).Draw(t, "lapse"), h.row.Session))
	}
	return h
}

// wild is a realistic history with facts among it that contradict it.
func wild(t *rapid.T) history {
	h := realistic(t)
	s := &storyteller{t: t, n: len(h.facts)}
	for range rapid.IntRange(0, 8).Draw(t, "nonsense") {
		h.facts = append(h.facts, s.nonsense())
	}
	return h
}

func policies(t *rapid.T) Policy {
	p := usualPolicy
	p.PendingHold = rapid.SampledFrom([]time.Duration{0, time.Minute, 24 * time.Hour}).Draw(t, "PENDING_HOLD")
	return p
}
