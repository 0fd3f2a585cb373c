package traffic

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// lifetime is how long a session can be paid.
const lifetime = 24 * time.Hour

// Purchase is a registration and the names of its objects at Stripe.
type Purchase struct {
	Registration string
	Venue        string // the event that the registration is for
	simulate.IDs
	Started time.Time

	started, expires string // in Unix seconds
}

// Event is one of Stripe's events; its body is made when it is wanted.
type Event struct {
	ID      string
	Created time.Time
	of      *Purchase
	mould   *mould
	created string // in Unix seconds
	arrives time.Time
}

// Type is the event's.
func (e Event) Type() string { return e.mould.eventType }

// Registration is whom the event concerns.
func (e Event) Registration() string { return e.of.Registration }

// Body appends the event's JSON.
func (e Event) Body(dst []byte) []byte {
	return e.mould.cast(dst, values{
		eventID: e.ID, eventTime: e.created, registration: e.of.Registration,
		session: e.of.Session, intent: e.of.Intent, charge: e.of.Charge, dispute: e.of.Dispute, refund: e.of.Refund,
		started: e.of.started, expires: e.of.expires,
	})
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// Mix is registrations and the events about them, in the order in which they arrive.
type Mix struct {
	Purchases []*Purchase
	Events    []Event
}

// mixture makes mixes. One Stripe account makes all names, in the order of time, as Stripe does.
type mixture struct {
	random *rand.Rand
	stripe *simulate.Stripe
	moulds map[string]*mould
	clock  time.Time
}

func newMixture(seed uint64) *mixture {
	m := &mixture{random: rand.New(rand.NewPCG(seed, 3)), moulds: moulds()} // #nosec G404 -- names
	m.stripe = simulate.New(m.random, func() time.Time { return m.clock })
	return m
}

// NewMix makes so many events about so many registrations for so many venues. Purchases begin one after the
// other over days that end a while ago; an event arrives seconds after it was made, one in thirty minutes later, so that
// events come in any order. First numbers the registrations.
func NewMix(seed uint64, first, registrations, venues, events int) Mix {
	m := newMixture(seed)
	all := stories()
	var mix Mix
	const pace = 10 * time.Second
	begin := time.Now().Add(-time.Duration(registrations)*pace - 100*time.Hour).Truncate(time.Second)
	for i := range registrations {
		p := m.purchase(first+i, venues, begin.Add(time.Duration(i)*pace))
		mix.Purchases = append(mix.Purchases, p)
		for _, s := range pick(m.random, all).steps {
			mix.Events = append(mix.Events, m.event(p, s.mould, s.after))
		}
	}
	for n := len(mix.Events); n < events; n++ { // events that concern nobody fill up what is missing
		mix.Events = append(mix.Events, m.event(mix.Purchases[m.random.IntN(registrations)], "customer", 50*time.Second))
	}
	slices.SortStableFunc(mix.Events, func(a, b Event) int { return a.arrives.Compare(b.arrives) })
	mix.Events = mix.Events[:min(events, len(mix.Events))]
	return mix
}

// NewPayments makes one paid session for each registration: the events that end in a settled row and a mail.
func NewPayments(seed uint64, first, registrations, venues int) Mix {
	m := newMixture(seed)
	var mix Mix
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range registrations {
		p := m.purchase(first+i, venues, begin)
		mix.Purchases = append(mix.Purchases, p)
		mix.Events = append(mix.Events, m.event(p, "completed", 0))
	}
	return mix
}

// NewTries makes declined tries to pay, of one registration each or all of the same one.
func NewTries(seed uint64, tries, venues int, same bool) Mix {
	m := newMixture(seed)
	var mix Mix
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range tries {
		if !same || i == 0 {
			mix.Purchases = append(mix.Purchases, m.purchase(i, venues, begin))
		}
		of := mix.Purchases[len(mix.Purchases)-1]
		if same { // each try has a charge of its own
			another := *of
			another.Charge = m.purchase(i, venues, begin).Charge
			of = &another
		}
		mix.Events = append(mix.Events, m.event(of, "failed", time.Duration(i)*time.Second/20))
	}
	return mix
}

func (m *mixture) purchase(n, venues int, started time.Time) *Purchase {
	m.clock = started
	p := m.stripe.Payment(fmt.Sprintf("reg-%08d", n))
	return &Purchase{
		Registration: p.Registration, Venue: Venue(n % venues), IDs: p.IDs, Started: started,
		started: seconds(started), expires: seconds(started.Add(lifetime)),
	}
}

func (m *mixture) event(p *Purchase, what string, after time.Duration) Event {
	m.clock = p.Started.Add(after)
	late := m.upTo(3 * time.Second)
	if m.random.IntN(30) == 0 {
		late = m.upTo(10 * time.Minute)
	}
	return Event{
		ID: m.stripe.EventID(), Created: m.clock, of: p, mould: m.moulds[what],
		created: seconds(m.clock), arrives: m.clock.Add(late),
	}
}

func (m *mixture) upTo(d time.Duration) time.Duration {
	return time.Duration(m.random.Int64N(int64(d)))
}

func pick(random *rand.Rand, all []story) story {
	n := random.IntN(100)
	i, _ := slices.BinarySearchFunc(sums(all), n+1, cmp.Compare)
	return all[min(i, len(all)-1)]
}

// sums are the shares of the stories up to each.
func sums(all []story) []int {
	out := make([]int, 0, len(all))
	total := 0
	for _, s := range all {
		total += s.share
		out = append(out, total)
	}
	return out
}

// Venue names the n-th event that registrations are for.
func Venue(n int) string { return fmt.Sprintf("venue-%05d", n) }
