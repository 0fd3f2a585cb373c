// Package traffic makes the load of the benchmarks: Stripe's events in the mix that a ticketing platform sees,
// put into the stream or posted as signed requests.
package traffic

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// A mould is an event of pkg/simulate whose names and times are replaced at each cast, so that hundreds of
// thousands of events cost no more than copying them.
type mould struct {
	eventType string
	pieces    [][]byte // what stands between the slots, one more than there are slots
	slots     []slot
	length    int // of every cast
}

// slot is what is put in.
type slot int

const (
	eventID slot = iota
	eventTime
	registration
	session
	intent
	charge
	dispute
	refund
	started
	expires
	slotCount
)

// values are what fills the slots; each always has the same length, so that every cast of a mould has too.
type values [slotCount]string

// placeholders are unlike anything else in an event.
func placeholders() values {
	return values{
		eventID: "evt_1@@@@@@@@@@@@@@@@@@@@@@1", eventTime: "1111111111", registration: "reg-@@@@@@@@",
		session: "cs_test_a1@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@2", intent: "pi_3@@@@@@@@@@@@@@@@@@@@@@3",
		charge: "ch_3@@@@@@@@@@@@@@@@@@@@@@4", dispute: "du_1@@@@@@@@@@@@@@@@@@@@@@5", refund: "re_3@@@@@@@@@@@@@@@@@@@@@@6",
		started: "1222222222", expires: "1333333333",
	}
}

// makeMould has pkg/simulate make one event of the placeholders and cuts it at them.
func makeMould(build func(*simulate.Stripe, *simulate.Payment, ...simulate.Option) simulate.Event) *mould {
	names := placeholders()
	at := func(s slot) time.Time {
		n, _ := strconv.ParseInt(names[s], 10, 64) // a constant
		return time.Unix(n, 0)
	}
	stripe := simulate.New(rand.New(rand.NewPCG(1, 1)), func() time.Time { return at(eventTime) }) // #nosec G404 -- names
	p := stripe.PaymentOf(names[registration], simulate.IDs{
		Session: names[session], Intent: names[intent], Charge: names[charge], Dispute: names[dispute], Refund: names[refund],
	})
	p.SessionCreated, p.SessionExpires, p.IntentCreated = at(started), at(expires), at(started)
	event := build(stripe, p, simulate.WithID(names[eventID]), simulate.WithCharge(names[charge]))
	m := &mould{eventType: event.Type}
	m.length = len(event.Body)
	m.cut(event.Body, names)
	return m
}

func (m *mould) cut(body []byte, names values) {
	for {
		at, next, which := len(body), len(body), slotCount
		for s, name := range names {
			if i := bytes.Index(body, []byte(name)); i >= 0 && i < at {
				at, next, which = i, i+len(name), slot(s)
			}
		}
		m.pieces = append(m.pieces, slices.Clone(body[:at]))
		if which == slotCount {
			return
		}
		m.slots = append(m.slots, which)
		body = body[next:]
	}
}

// pad inserts a field so that a cast is as long as size, where it is not so already.
func (m *mould) pad(size int) {
	const begin, end = `"padding":{`, `},`
	missing := size - m.length - len(begin) - len(end)
	if missing <= 0 {
		return
	}
	// Many small fields, as Stripe's large events have, and as incompressible as ids are.
	random := rand.New(rand.NewPCG(2, 2)) // #nosec G404 -- filling
	padding := []byte(begin)
	for i := 0; missing > 40; i++ {
		field := `"field_` + strconv.Itoa(i) + `":"` + letters(random, 20) + `",`
		padding, missing = append(padding, field...), missing-len(field)
	}
	const last = `"last":""`
	padding = append(padding, `"last":"`+letters(random, max(0, missing-len(last)))+`"`...)
	padding = append(padding, end...)
	m.length += len(padding)
	m.pieces[0] = append([]byte("{"), append(padding, m.pieces[0][1:]...)...)
}

func letters(random *rand.Rand, n int) string {
	const all = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	out := make([]byte, n)
	for i := range out {
		out[i] = all[random.IntN(len(all))]
	}
	return string(out)
}

func (m *mould) cast(dst []byte, v values) []byte {
	for i, s := range m.slots {
		dst = append(append(dst, m.pieces[i]...), v[s]...)
	}
	return append(dst, m.pieces[len(m.slots)]...)
}
