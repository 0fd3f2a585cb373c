package stripeevent

import (
	"math"
	"strings"
	"testing"
)

func TestWhatIsNoEventIsUndecodable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxID+1)
	bodies := map[string]string{
		"nothing":                       "",
		"blanks":                        " \n",
		"a text":                        `"evt_1"`,
		"a number":                      `7`,
		"null":                          `null`,
		"a list":                        `[{"id":"evt_1","type":"ping"}]`,
		"two objects":                   `{"id":"evt_1","type":"ping"}{"id":"evt_2","type":"ping"}`,
		"half an object":                `{"id":"evt_1","type":"ping"`,
		"a form":                        `id=evt_1&type=ping`,
		"a byte-order mark":             "\ufeff" + `{"id":"evt_1","type":"ping"}`,
		"single quotes":                 `{'id':'evt_1','type':'ping'}`,
		"a raw NUL":                     "{\"id\":\"evt_1\x00\",\"type\":\"ping\"}",
		"no id":                         `{"type":"ping"}`,
		"an id that is null":            `{"id":null,"type":"ping"}`,
		"an empty id":                   `{"id":"","type":"ping"}`,
		"an id that is a number":        `{"id":1,"type":"ping"}`,
		"an id that is an object":       `{"id":{"id":"evt_1"},"type":"ping"}`,
		"an id that is too long":        `{"id":"` + long + `","type":"ping"}`,
		"an id of two lines":            `{"id":"evt_1\nevt_2","type":"ping"}`,
		"an id with a NUL":              `{"id":"evt_1\u0000","type":"ping"}`,
		"an id of broken UTF-8":         "{\"id\":\"evt_\xff\",\"type\":\"ping\"}",
		"no type":                       `{"id":"evt_1"}`,
		"a type that is a number":       `{"id":"evt_1","type":7}`,
		"a type of blanks":              `{"id":"evt_1","type":"\u0000\n"}`,
		"no time":                       strings.Replace(event("checkout.session.expired", `{"id":"cs_1"}`), `"created":1790000000,`, ``, 1),
		"a time that is a text":         strings.Replace(event("checkout.session.expired", `{"id":"cs_1"}`), `1790000000`, `"1790000000"`, 1),
		"a time of the far future":      strings.Replace(event("checkout.session.expired", `{"id":"cs_1"}`), `1790000000`, `1790000000000`, 1),
		"a time before time":            strings.Replace(event("checkout.session.expired", `{"id":"cs_1"}`), `1790000000`, `-1`, 1),
		"no data":                       `{"id":"evt_1","created":1790000000,"type":"checkout.session.expired"}`,
		"data that is null":             `{"id":"evt_1","created":1790000000,"type":"checkout.session.expired","data":null}`,
		"an object that is null":        event("checkout.session.expired", `null`),
		"an object that is a list":      event("checkout.session.expired", `[{"id":"cs_1"}]`),
		"an object that is its id":      event("checkout.session.expired", `"cs_1"`),
		"a session id that is too long": event("checkout.session.expired", `{"id":"`+long+`"}`),
		"an intent with a NUL":          event("checkout.session.expired", `{"id":"cs_1","payment_intent":"pi_\u0000"}`),
		"a charge of two lines":         event("payment_intent.succeeded", `{"id":"pi_1","latest_charge":"ch_1\nch_2"}`),
		"a dispute of broken UTF-8":     event("charge.dispute.created", "{\"id\":\"dp_\xff\",\"charge\":\"ch_1\"}"),
		"a refund that is too long":     event("refund.failed", `{"id":"`+long+`","status":"failed","charge":"ch_1"}`),
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refused(t, body)
		})
	}
}

func TestAmountsThatAreNoneDoNoHarm(t *testing.T) {
	t.Parallel()
	for amount, want := range map[string]int64{
		`2500`:                        2500,
		`0`:                           0,
		`-1`:                          -1,
		`9007199254740993`:            9007199254740993,
		`9223372036854775807`:         math.MaxInt64,
		`99999999999999999999999999`:  math.MaxInt64,
		`-99999999999999999999999999`: math.MinInt64,
		`1e400`:                       math.MaxInt64,
		`null`:                        0,
		`{}`:                          0,
		`"many"`:                      0,
	} {
		e := decode(t, event("checkout.session.completed", `{"id":"cs_1","payment_status":"paid","amount_total":`+amount+`,"currency":"eur"}`))
		if e.Fact.Amount != want {
			t.Errorf("%s is %d, want %d", amount, e.Fact.Amount, want)
		}
	}
}

// A million levels cost a reader 128 MB of stack.
func TestDeepNestingIsUndecodable(t *testing.T) {
	t.Parallel()
	nest := func(n int) string {
		deep := strings.Repeat(`[`, n) + strings.Repeat(`]`, n)
		return event("checkout.session.expired", `{"id":"cs_1","payment_intent":`+deep+`,"metadata":{"a":`+deep+`,"registrationId":"reg-1"}}`)
	}
	refused(t, nest(MaxDepth))
	refused(t, event("checkout.session.expired", strings.Repeat(`{"a":`, 400_000)))
	if e := decode(t, nest(MaxDepth-5)); e.Registration != "reg-1" || e.Fact.Intent != "" {
		t.Errorf("got %+v", e)
	}
}

// Of a key that comes twice the first counts, everywhere in an event.
func TestOfTwoEqualKeysTheFirstCounts(t *testing.T) {
	t.Parallel()
	e := decode(t, `{"id":"evt_1","id":"evt_2","created":1790000000,"created":1,"type":"checkout.session.expired","type":"ping",`+
		`"data":{"object":{"id":"cs_1","id":"cs_2"},"object":{"id":"cs_3"}},"data":null}`)
	if e.ID != "evt_1" || e.Fact == nil || e.Fact.Session != "cs_1" || !e.Created.Equal(eventTime) {
		t.Errorf("got %+v with %+v", e, e.Fact)
	}
}

func TestEscapedKeysAreKeys(t *testing.T) {
	t.Parallel()
	e := decode(t, `{"\u0069d":"evt_1","created":1790000000,"t\u0079pe":"checkout.session.expired",`+
		`"d\u0061ta":{"object":{"id":"cs_1","metadata":{"registration\u0049d":"reg-1"}}}}`)
	if e.Registration != "reg-1" || e.Fact == nil {
		t.Errorf("got %+v", e)
	}
}

func TestErrorsRepeatNothingPrivate(t *testing.T) {
	t.Parallel()
	const private = "somebody@example.com"
	for _, body := range []string{
		private,
		`{"id":"` + private + `\n","type":"ping"}`,
		event("checkout.session.expired", `{"id":"`+private+`\n"}`),
		event("checkout.session.completed", `{"id":"cs_1","customer_email":"`+private+`"}`),
		event("charge.dispute.created", `{"evidence":"`+private+`"}`),
	} {
		_, err := Decode([]byte(body), Filter{})
		if err == nil || strings.Contains(err.Error(), private) {
			t.Errorf("%s\nsays %v", body, err)
		}
	}
}
