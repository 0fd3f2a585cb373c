package registration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// noon is when the usual registration and its session were made; facts are told in seconds after it.
var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func at(second int) time.Time { return noon.Add(time.Duration(second) * time.Second) }

// usualPolicy is the default one.
var usualPolicy = Policy{FailedHold: 24 * time.Hour, PendingHold: 24 * time.Hour, ExpiryGrace: time.Hour}

// usual is a registration of 25 euros whose current session is cs_now.
func usual(change ...func(*Registration)) Registration {
	due := int64(2500)
	r := Registration{
		ID: "reg-1", CreatedAt: noon, AmountDue: &due, Currency: "eur",
		Session: "cs_now", SessionSetAt: noon, SessionCreatedAt: noon, SessionExpiresAt: noon.Add(24 * time.Hour),
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

// withoutSession is a registration of a platform that tells nothing of its sessions.
func withoutSession(r *Registration) {
	r.Session = ""
	r.SessionSetAt, r.SessionCreatedAt, r.SessionExpiresAt = time.Time{}, time.Time{}, time.Time{}
}

// fact is a fact made in a second after noon about the objects named, which their prefixes tell apart. A
// payment is of 25 euros.
func fact(second int, kind FactKind, objects ...string) Fact {
	f := Fact{
		ID: fmt.Sprintf("evt_%05d_%s_%s", second, kind, strings.Join(objects, "_")), Kind: kind, Source: FromStripe, Created: at(second),
	}
	for _, id := range objects {
		switch id[:3] {
		case "cs_":
			f.Session = id
		case "pi_":
			f.Intent = id
		case "ch_":
			f.Charge = id
		case "dp_":
			f.Dispute = id
		case "re_":
			f.Refund = id
		default:
			panic("what is " + id)
		}
	}
	if kind == Paid {
		f.Amount, f.Currency = 2500, "eur"
	}
	return f
}

func (f Fact) with(change func(*Fact)) Fact {
	change(&f)
	return f
}

func refundOf(second int, full bool, objects ...string) Fact {
	return fact(second, ChargeRefunded, objects...).with(func(f *Fact) { f.FullyRefunded = full })
}

func closed(second int, outcome string, objects ...string) Fact {
	return fact(second, DisputeClosed, objects...).with(func(f *Fact) {
		f.Outcome = outcome
		f.ID += "_" + outcome
	})
}

func madeAt(second int) func(*Fact) { return func(f *Fact) { f.IntentCreated = at(second) } }

func ofSession(f *Fact) {
	f.SessionAsync = true
	f.ID += "_session"
}

// settle settles the facts in the order given, reversed, and each twice: it must make no difference.
func settle(t *testing.T, r Registration, facts []Fact) State {
	t.Helper()
	s := Settle(r, facts, usualPolicy)
	reversed := slices.Clone(facts)
	slices.Reverse(reversed)
	for name, same := range map[string][]Fact{"reversed": reversed, "twice": slices.Concat(facts, reversed)} {
		if other := Settle(r, same, usualPolicy); fmt.Sprintf("%+v", other) != fmt.Sprintf("%+v", s) {
			t.Errorf("%s it is\n%+v, in order\n%+v", name, other, s)
		}
	}
	return s
}

// describe writes a state as "STATUS cause seat removed lapse@time-after-noon flag:object".
func describe(s State) string {
	words := []string{string(s.Status)}
	if s.Cause != NoCause {
		words = append(words, string(s.Cause))
	}
	if s.SeatWish {
		words = append(words, "seat")
	}
	if s.Removed {
		words = append(words, "removed")
	}
	if s.Lapse != "" || !s.Deadline.IsZero() {
		words = append(words, fmt.Sprintf("%s@%s", s.Lapse, s.Deadline.Sub(noon)))
	}
	var flags []string
	for _, a := range s.Attention {
		flags = append(flags, string(a.Flag)+":"+a.Object)
	}
	slices.Sort(flags)
	return strings.Join(append(words, flags...), " ")
}

// withMails describes a state with its mails, in no order.
func withMails(s State) string {
	var mails []string
	for _, m := range s.Mails {
		mails = append(mails, mailLine(m))
	}
	slices.Sort(mails)
	return strings.Join(append([]string{describe(s)}, mails...), "\n")
}

func mailLine(m Mail) string {
	line := string(m.Kind) + " " + m.Slot
	if len(m.Same) > 0 {
		line += " = " + strings.Join(m.Same, " ")
	}
	return line
}

// Descriptions of states that many tests want.
const (
	paidState       = "PAID seat"
	processingState = "PENDING seat"
	openState       = "PENDING seat session_expired@25h0m0s"
	disputedState   = "FAILED dispute seat"
	lostState       = "FAILED dispute"
	refundedState   = "REFUNDED"
	canceledState   = "CANCELED removed"
	expiredState    = "EXPIRED removed"
)

// failedState is that of a payment that failed first in a second after noon.
func failedState(second int) string {
	return "FAILED payment seat hold_expired@" + (24*time.Hour + time.Duration(second)*time.Second).String()
}

// settled is a case of a table: what a registration is by its facts.
type settled struct {
	name  string
	row   []func(*Registration)
	facts []Fact
	want  string
}

func testSettled(t *testing.T, cases []settled) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := describe(settle(t, usual(c.row...), c.facts)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
