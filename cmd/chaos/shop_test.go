//go:build linux

package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// Places that many buy and few can have.
const (
	scarceEvents   = 2
	scarceCapacity = 12
	wideEvents     = 5
)

// shop writes what happens: registrations, how they are paid for, and all that Stripe says of it. It is not
// safe for concurrent use.
type shop struct {
	random *rand.Rand
	stripe *simulate.Stripe
	prefix string // of the registrations' ids
	made   int
	bad    int // events made that cannot be used
}

func newShop(random *rand.Rand) *shop {
	return &shop{random: random, stripe: simulate.New(random, time.Now), prefix: fmt.Sprintf("reg-%04x-", random.IntN(1<<16))}
}

// purchase is one registration, its checkout sessions in the order in which the platform made them, and
// everything that Stripe says about their payments.
type purchase struct {
	id, event string
	sessions  []*simulate.Payment
	// noted says whether the platform writes sessions onto the row; late, whether the row comes after its events.
	noted, late bool
	events      []simulate.Event
	sent        []simulate.Event // the same, some of them disguised
}

// current is the session that the row names in the end; nil where it names none.
func (p *purchase) current() *simulate.Payment {
	if !p.noted {
		return nil
	}
	return p.sessions[len(p.sessions)-1]
}

// plot is a purchase while it is being written; each event is dated at or after the one before.
type plot struct {
	*purchase
	shop  *shop
	clock time.Time
}

func (p *plot) at() simulate.Option {
	p.clock = p.clock.Add(time.Duration(p.shop.random.IntN(4)) * time.Second) // often within one second
	return simulate.At(p.clock)
}

func (p *plot) say(e simulate.Event) { p.events = append(p.events, e) }

func (p *plot) open() *simulate.Payment {
	pay := p.shop.stripe.Payment(p.id)
	pay.SessionCreated, pay.IntentCreated, pay.SessionExpires = p.clock, p.clock.Add(5*time.Second), p.clock.Add(24*time.Hour)
	p.sessions = append(p.sessions, pay)
	return pay
}

func (p *plot) paid(pay *simulate.Payment) {
	p.say(pay.Succeeded(p.at()))
	p.say(pay.Charged(p.at()))
	p.say(pay.Completed(p.at()))
}

func (p *plot) declined(pay *simulate.Payment) {
	p.say(pay.IntentMade(p.at()))
	p.say(pay.Failed(simulate.CardDeclined(), p.at()))
}

// plots are the ways in which a purchase goes.
func plots() []func(p *plot, pay *simulate.Payment) {
	return []func(p *plot, pay *simulate.Payment){
		func(p *plot, pay *simulate.Payment) { p.paid(pay) },
		func(p *plot, pay *simulate.Payment) { p.declined(pay) },
		func(p *plot, pay *simulate.Payment) { p.declined(pay); p.paid(pay) },
		func(p *plot, pay *simulate.Payment) { p.paid(pay); p.declined(pay) }, // a late failure
		func(p *plot, pay *simulate.Payment) {
			p.say(pay.RequiresAction(p.at()))
			p.say(pay.Canceled("abandoned", p.at()))
			p.say(pay.SessionExpired(p.at()))
		},
		func(p *plot, pay *simulate.Payment) { p.say(pay.RequiresAction(p.at())) },
		func(p *plot, pay *simulate.Payment) { p.say(pay.SessionAbandoned(p.at())) },
		func(p *plot, pay *simulate.Payment) { // a delayed method pays
			p.say(pay.CompletedUnpaid(p.at()))
			p.say(pay.Processing(p.at()))
			p.say(pay.AsyncSucceeded(p.at()))
		},
		func(p *plot, pay *simulate.Payment) { // and does not
			p.say(pay.CompletedUnpaid(p.at()))
			p.say(pay.AsyncFailed(p.at()))
		},
		func(p *plot, pay *simulate.Payment) { // a dispute is won
			p.paid(pay)
			p.say(pay.Disputed(p.at()))
			p.say(pay.FundsWithdrawn(p.at()))
			p.say(pay.DisputeClosed(simulate.Won, p.at()))
		},
		func(p *plot, pay *simulate.Payment) { // and lost, told without an intent
			p.paid(pay)
			p.say(pay.Disputed(p.at(), simulate.WithoutIntent()))
			p.say(pay.DisputeClosed(simulate.Lost, p.at(), simulate.WithoutIntent()))
		},
		func(p *plot, pay *simulate.Payment) { // and open
			p.paid(pay)
			p.say(pay.Disputed(p.at()))
		},
		func(p *plot, pay *simulate.Payment) { // refunded in two steps
			p.paid(pay)
			p.say(pay.Refunded(pay.Amount/2, p.at()))
			p.say(pay.Refunded(pay.Amount, p.at()))
		},
		func(p *plot, pay *simulate.Payment) { // removed, and paid after all
			p.say(pay.SessionExpired(p.at()))
			p.paid(pay)
		},
		func(p *plot, pay *simulate.Payment) { // an old session fails and expires while the new one is paid
			p.declined(pay)
			p.clock = p.clock.Add(10 * time.Minute)
			again := p.open()
			p.paid(again)
			p.say(pay.SessionExpired(p.at()))
		},
		func(p *plot, pay *simulate.Payment) { // two sessions are paid
			p.paid(pay)
			p.clock = p.clock.Add(10 * time.Minute)
			p.paid(p.open())
		},
	}
}

// oddities are what registrations' ids may end with, as the platform is free to choose: nothing in Guichet may mind.
var oddities = []string{
	"'; DROP TABLE registrations; --", `"><script>alert(1)</script>`, "${jndi:ldap://x}", "%s%n%00", "../../etc/passwd", " é\u202e日本🎟",
	`\`, "{{.Email}}", "$1", "a b", strings.Repeat("x", 200),
}

// next writes a purchase of some hours ago.
func (s *shop) next() *purchase {
	all := plots()
	p := &purchase{
		id: fmt.Sprintf("%s%05d", s.prefix, s.made), event: fmt.Sprintf("wide-%d", s.random.IntN(wideEvents)),
		noted: s.random.IntN(3) > 0, late: s.random.IntN(10) == 0,
	}
	s.made++
	if s.random.IntN(10) == 0 {
		p.id += oddities[s.random.IntN(len(oddities))]
	}
	if s.random.IntN(4) == 0 {
		p.event, p.late = fmt.Sprintf("scarce-%d", s.random.IntN(scarceEvents)), false
	}
	began := time.Now().Add(-time.Hour - time.Duration(s.random.IntN(6*3600))*time.Second).Truncate(time.Second)
	writing := &plot{purchase: p, shop: s, clock: began}
	pay := writing.open()
	all[s.random.IntN(len(all))](writing, pay)
	if len(p.sessions) > 1 {
		p.noted, p.late = true, false // who makes a second session notes both
	}
	for _, e := range p.events {
		p.sent = append(p.sent, s.disguise(e))
	}
	return p
}

// nobodys is an event that concerns no registration.
func (s *shop) nobodys() simulate.Event {
	switch s.random.IntN(4) {
	case 0:
		return s.stripe.Thin()
	case 1:
		return s.stripe.Unrelated(oddTypes[s.random.IntN(len(oddTypes))])
	case 2:
		return s.stripe.Payment(noIDs[s.random.IntN(len(noIDs))]).Completed()
	default:
		return s.stripe.Payment("").Completed() // as of Stripe's dashboard
	}
}
