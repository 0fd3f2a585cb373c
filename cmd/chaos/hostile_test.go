//go:build linux

package chaos

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// noIDs are texts that name no registration, in the place where the name of one stands.
var noIDs = []string{"two\nlines", "a NUL\x00", "\x1b[2J", "\r\nBcc: all@example.org", strings.Repeat("x", 10_000), strings.Repeat("x", 1_000_000)}

// oddTypes are types of events that concern no payment; some would mean something to NATS.
var oddTypes = []string{"customer.created", "customer.>", "*", "a b", "..", "$JS.API.STREAM.DELETE.STRIPE_EVENTS", strings.Repeat("x", 255)}

// disguises are members that tell nothing: an event with them says what it says without.
func disguises() []string {
	return []string{
		`"id":"evt_second","type":"ping","created":1,"livemode":true,"data":{"object":{"id":"cs_second","metadata":{"registrationId":"reg-second"}}}`,
		`"deep":` + strings.Repeat(`[`, 90) + strings.Repeat(`]`, 90),
		`"huge":1` + strings.Repeat("0", 5_000) + `,"far":1e999999999,"small":-1e-999999999`,
		"\"broken\":\"\xff\xfe\xc0\x80\"",
		`"alone":"\ud800 \udfff \u0000"`,
		`"":{},"a\u0000b":null,"__proto__":{"id":"evt_third"}`,
		`"long":"` + strings.Repeat("é", 100_000) + `"`,
	}
}

// disguise writes one event in ten otherwise than Stripe would, and its facts the same.
func (s *shop) disguise(e simulate.Event) simulate.Event {
	if s.random.IntN(10) > 0 {
		return e
	}
	all := disguises()
	last := bytes.LastIndexByte(e.Body, '}')
	e.Body = fmt.Appendf(nil, "%s,%s}", e.Body[:last], all[s.random.IntN(len(all))])
	return e
}

// unwanted is a good event that tells nothing, with an id that a database may be made to refuse.
func (s *shop) unwanted() simulate.Event {
	s.bad++
	id := fmt.Sprintf("evt_unwanted_%s%d", s.prefix, s.bad)
	const kind = "customer.updated"
	return simulate.Event{ID: id, Type: kind, Created: time.Now(), Body: fmt.Appendf(nil, `{"id":%q,"type":%q,"created":1,"data":{"object":{"id":"cus_1"}}}`, id, kind)}
}

// useless are what an event says that has an id and a type and can never be used.
var useless = []string{
	`"created":1,"data":null`,
	`"created":1,"data":{"object":[]}`,
	`"created":1,"data":{"object":"cs_1"}`,
	`"created":1,"data":{"object":{"id":null}}`,
	`"created":1,"data":{"object":{"id":"cs_\u0000"}}`,
	`"created":1,"data":{"object":{"id":"` + strings.Repeat("x", 500_000) + `"}}`,
	`"created":1e999,"data":{"object":{"id":"cs_1"}}`,
	`"created":"never","data":{"object":{"id":"cs_1"}}`,
	`"created":-1,"data":{"object":{"id":"cs_1"}}`,
	`"created":1,"data":{"object":{}},"data":{"object":{"id":"cs_1"}}`,
}

// poison is a signed event that can never be used.
func (s *shop) poison() simulate.Event {
	s.bad++
	id := fmt.Sprintf("evt_poison_%s%d", s.prefix, s.bad)
	const kind = "checkout.session.completed"
	return simulate.Event{ID: id, Type: kind, Created: time.Now(), Body: fmt.Appendf(nil, `{"id":%q,"type":%q,%s}`, id, kind, useless[s.bad%len(useless)])}
}

// refusals are bodies that are refused although they are signed.
var refusals = []struct{ what, body string }{
	{"a body over the limit", `{"id":"evt_over","type":"a","x":"` + strings.Repeat("x", 1<<20) + `"}`},
	{"half an event", `{"id":"evt_half","type":"a"`},
	{"two events", `{"id":"evt_one","type":"a"}{"id":"evt_two","type":"a"}`},
	{"an id of two lines", `{"id":"evt_1\r\nNats-Msg-Id: evt_2","type":"a"}`},
	{"an endless id", `{"id":"` + strings.Repeat("x", 256) + `","type":"a"}`},
	{"an id beyond ASCII", `{"id":"evt_é","type":"a"}`},
	{"a type of two lines", `{"id":"evt_type","type":"a\nb"}`},
	{"an id that is a number", `{"id":1e999,"type":"a"}`},
}
