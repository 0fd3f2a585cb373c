package traffic

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// Secret signs every request.
const Secret = "whsec_benchmark" // #nosec G101 -- of no account

const (
	requestHead = "POST /stripe/webhooks HTTP/1.1\r\nHost: tickets.example.com\r\nUser-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n" +
		"Accept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\nContent-Type: application/json; charset=utf-8\r\nStripe-Signature: "
	requestLength = "\r\nContent-Length: "
	requestBody   = "\r\n\r\n"
)

// Requests are events as they go over the wire, signed beforehand: signing must not take time from what is
// measured.
type Requests struct {
	events     []Event
	signatures []byte // all of one length
	length     int
}

// NewRequests signs events as of now.
func NewRequests(events []Event) *Requests {
	r := &Requests{events: events}
	sign, now := newSigner(), time.Now()
	var body []byte
	for _, e := range events {
		body = e.Body(body[:0])
		before := len(r.signatures)
		r.signatures = sign.sign(r.signatures, now, body)
		r.length = len(r.signatures) - before
	}
	return r
}

// Len is how many there are.
func (r *Requests) Len() int { return len(r.events) }

// Event is the n-th request's.
func (r *Requests) Event(n int) Event { return r.events[n] }

// Append writes the n-th request. It may be called by several at once.
func (r *Requests) Append(dst []byte, n int) []byte {
	e := r.events[n]
	dst = append(append(dst, requestHead...), r.signatures[n*r.length:(n+1)*r.length]...)
	dst = strconv.AppendInt(append(dst, requestLength...), int64(e.mould.length), 10)
	return e.Body(append(dst, requestBody...))
}

// NewSame makes n events of a size in bytes that differ in their id alone; so many of a hundred repeat the id of
// one that came a while before.
func NewSame(seed uint64, n, size, repeated int) []Event {
	m := newMixture(seed)
	what := "completed"
	if size < m.moulds[what].length {
		what = "customer"
	}
	m.moulds[what].pad(size)
	p := m.purchase(0, 1, time.Now())
	random := rand.New(rand.NewPCG(seed, 4)) // #nosec G404 -- which are repeated
	events := make([]Event, n)
	for i := range events {
		events[i] = m.event(p, what, 0)
		const ago = 1500 // so far back that it has been stored
		if i >= ago && random.IntN(100) < repeated {
			events[i].ID = events[i-ago].ID
		}
	}
	return events
}
