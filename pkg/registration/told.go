package registration

import (
	"slices"
	"time"
)

// AttentionAge is how long something may stay unexplained before a person is told.
const AttentionAge = 15 * time.Minute

// toldFacts bounds how many facts Told settles in all, beside the present state: where there are more than 140 it
// looks at the latest states only.
const toldFacts = 10_000

// Told returns the mails that a registration's states have wanted: those through which its facts led in the order
// of their creation, the present one, and those into which the clock has led it by now or is about to. A mail that
// is wanted in one state and not in the next, such as a payment's confirmation while it is disputed, is wanted again
// when that passes; whoever was told of it before the facts were lost is not to be told again.
func Told(r Registration, facts []Fact, p Policy, now time.Time) []Mail {
	known := inOrder(facts)
	first := len(known)
	for left := toldFacts; first > 1 && first <= left; first-- {
		left -= first
	}
	var out []Mail
	for n := first; n <= len(known); n++ {
		out = append(out, Settle(r, known[:n], p).Mails...)
	}
	// A dispute and a refund come after their payment, though all may be of one second.
	before := slices.DeleteFunc(slices.Clone(known), func(f Fact) bool { return aftermath[f.Kind] })
	out = append(out, Settle(r, before, p).Mails...)
	clock := overdue(r, known, p, now)
	return Distinct(append(out, Settle(r, append(clock, known...), p).Mails...))
}

// aftermath is what only a payment can be followed by.
var aftermath = map[FactKind]bool{
	Disputed: true, DisputeUpdated: true, DisputeClosed: true, ChargeRefunded: true, RefundFailed: true,
}

// overdue returns the facts that the clock has made of the known ones by now, or will when it is next looked at.
func overdue(r Registration, known []Fact, p Policy, now time.Time) []Fact {
	var out []Fact
	for _, a := range attempts(r, known) {
		f := a.first(IntentSucceeded)
		if f != nil && a.first(Paid) == nil && !f.Created.Add(AttentionAge).After(now) {
			out = append(out, Fact{ID: string(Unconfirmed) + ":" + r.ID + ":" + f.Intent, Kind: Unconfirmed, Source: FromClock, Intent: f.Intent})
		}
	}
	s := Settle(r, known, p)
	if s.Lapse != "" && !s.Deadline.After(now) {
		out = append(out, Lapsed(r, s))
	}
	return out
}

// Distinct leaves out mails that are the same as an earlier one, as the outbox does; of those of one slot the last
// says what it tells of.
func Distinct(mails []Mail) []Mail {
	var out []Mail
	at := map[string]int{}
	for _, m := range mails {
		if i, taken := at[m.Slot]; taken {
			out[i] = m
			continue
		}
		if slices.ContainsFunc(m.Same, func(slot string) bool { _, taken := at[slot]; return taken }) {
			continue
		}
		at[m.Slot] = len(out)
		out = append(out, m)
	}
	return out
}
