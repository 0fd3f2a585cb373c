package stripeevent

import (
	"strings"
	"testing"
	"time"
)

const paidSession = `{"id":"cs_1","mode":"payment","payment_status":"paid","payment_intent":"pi_1","amount_total":2500,` +
	`"currency":"eur","metadata":{"registrationId":"reg-1"}}`

func TestTheEnvelopeIsRead(t *testing.T) {
	t.Parallel()
	e, err := Decode([]byte(`{"id":"evt_9","api_version":"2020-08-27","created":1790000000,"livemode":true,"account":"acct_1",`+
		`"type":"checkout.session.completed","data":{"object":`+paidSession+`}}`), Filter{Accounts: []string{"acct_1"}, LiveOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if e.Fact == nil || e.Fact.ID != "evt_9" || e.Fact.Intent != "pi_1" {
		t.Errorf("the fact is %+v", e.Fact)
	}
	e.Fact = nil
	want := Event{
		ID: "evt_9", Type: "checkout.session.completed", APIVersion: "2020-08-27", Account: "acct_1", Livemode: true,
		Created: eventTime, Registration: "reg-1",
	}
	if e != want {
		t.Errorf("got %+v, want %+v", e, want)
	}
}

func TestWhatIsNoneOfOurBusinessIsIgnored(t *testing.T) {
	t.Parallel()
	paid := event("checkout.session.completed", paidSession)
	from := func(account string) string {
		return strings.Replace(paid, `{"id"`, `{"account":"`+account+`","id"`, 1)
	}
	live := strings.Replace(paid, `"livemode":false`, `"livemode":true`, 1)
	silent := strings.Replace(paid, `"livemode":false,`, ``, 1)
	for _, c := range []struct {
		name, body string
		filter     Filter
		want       string // why it is ignored
	}{
		{"our own account's", paid, Filter{}, ""},
		{"our own account's, beside others", paid, Filter{Accounts: []string{"acct_1"}}, ""},
		{"an account's while none is expected", from("acct_1"), Filter{}, "account not in STRIPE_ACCOUNTS"},
		{"another account's", from("acct_2"), Filter{Accounts: []string{"acct_1"}}, "account not in STRIPE_ACCOUNTS"},
		{"an expected account's", from("acct_2"), Filter{Accounts: []string{"acct_1", "acct_2"}}, ""},
		{"any account's", from("acct_2"), Filter{Accounts: []string{"*"}}, ""},
		{"an account of no name", from(""), Filter{}, ""},
		{"test mode", paid, Filter{}, ""},
		{"test mode in production", paid, Filter{LiveOnly: true}, "test mode in production"},
		{"live mode in production", live, Filter{LiveOnly: true}, ""},
		{"of no mode in production", silent, Filter{LiveOnly: true}, "test mode in production"},
		{"of another type", event("customer.created", `{"id":"cus_1"}`), Filter{}, "type not handled"},
		{"of another type and without an object", `{"id":"evt_1","type":"ping"}`, Filter{}, "type not handled"},
		{"of a type in capitals", event("Checkout.Session.Completed", paidSession), Filter{}, "type not handled"},
		{"thin", `{"id":"evt_1","object":"v2.core.event","type":"v2.core.account.updated","created":"2026-09-21T14:13:20.123Z",` +
			`"livemode":true,"related_object":{"id":"acct_1","type":"v2.core.account"},"data":{}}`, Filter{}, "type not handled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := Decode([]byte(c.body), c.filter)
			if err != nil {
				t.Fatal(err)
			}
			if e.Ignored != c.want || (e.Fact == nil) != (c.want != "") || e.ID != "evt_1" {
				t.Errorf("got %+v, want it ignored for %q", e, c.want)
			}
		})
	}
}

func TestAnIgnoredEventKeepsItsTime(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Time{
		`{"id":"evt_1","type":"ping","created":1790000000}`:                       eventTime,
		`{"id":"evt_1","type":"v2.ping","created":"2026-09-21T16:13:20+02:00"}`:   eventTime,
		`{"id":"evt_1","type":"v2.ping","created":"2026-09-21T14:13:20.000Z"}`:    eventTime,
		`{"id":"evt_1","type":"ping"}`:                                            {},
		`{"id":"evt_1","type":"ping","created":"yesterday"}`:                      {},
		`{"id":"evt_1","type":"ping","created":true}`:                             {},
		`{"id":"evt_1","type":"ping","created":-5}`:                               {},
		`{"id":"evt_1","type":"ping","created":99999999999999999999999999}`:       {},
		`{"id":"evt_1","type":"ping","created":1e400}`:                            {},
		`{"id":"evt_1","type":"ping","created":"0000-01-01T00:00:00Z"}`:           {},
		`{"id":"evt_1","type":"ping","created":"9999-12-31T23:59:59.999999999Z"}`: {},
	} {
		if e := decode(t, body); !e.Created.Equal(want) {
			t.Errorf("%s: %v, want %v", body, e.Created, want)
		}
	}
}

func TestTheRegistrationIsThatOfTheMetadata(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, metadata, want string }{
		{"an id", `{"registrationId":"reg-1"}`, "reg-1"},
		{"an id beside values that are no texts", `{"a":7,"b":null,"c":[1],"d":{"e":true},"registrationId":"reg-1"}`, "reg-1"},
		{"none, as in a dashboard test event", `{}`, ""},
		{"no metadata", `null`, ""},
		{"metadata that is no object", `["registrationId"]`, ""},
		{"another spelling", `{"registrationid":"reg-1","registration_id":"reg-1"}`, ""},
		{"empty", `{"registrationId":""}`, ""},
		{"null", `{"registrationId":null}`, ""},
		{"a number", `{"registrationId":42}`, ""},
		{"an object", `{"registrationId":{"id":"reg-1"}}`, ""},
		{"a list", `{"registrationId":["reg-1"]}`, ""},
		{"SQL", `{"registrationId":"'; DROP TABLE registrations; --"}`, "'; DROP TABLE registrations; --"},
		{"HTML", `{"registrationId":"<script>alert(\"1\")</script>"}`, `<script>alert("1")</script>`},
		{"accents", `{"registrationId":"réservation-\u00e9t\u00e9"}`, "réservation-été"},
		{"a path of gjson's", `{"registrationId":"@this.#.*"}`, "@this.#.*"},
		{"a line feed", `{"registrationId":"reg-1\nFAKE LOG LINE"}`, ""},
		{"a NUL", `{"registrationId":"reg-1\u0000"}`, ""},
		{"an escape of a terminal's", `{"registrationId":"\u001b[31mreg-1"}`, ""},
		{"a control character beyond ASCII", `{"registrationId":"\u009b31mreg-1"}`, ""},
		{"broken UTF-8", "{\"registrationId\":\"reg-\xff\"}", ""},
		{"as long as an id may be", `{"registrationId":"` + strings.Repeat("r", 255) + `"}`, strings.Repeat("r", 255)},
		{"longer than an id may be", `{"registrationId":"` + strings.Repeat("r", 256) + `"}`, ""},
		{"longer in bytes", `{"registrationId":"` + strings.Repeat("é", 128) + `"}`, ""},
		{"a megabyte", `{"registrationId":"` + strings.Repeat("r", 1<<20) + `"}`, ""},
		{"twice", `{"registrationId":"reg-1","registrationId":"reg-2"}`, "reg-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := decode(t, event("checkout.session.expired", `{"id":"cs_1","metadata":`+c.metadata+`}`))
			if e.Registration != c.want || e.Fact == nil {
				t.Errorf("got %q and %v, want %q", e.Registration, e.Fact, c.want)
			}
		})
	}
}

func TestEveryKindOfObjectNamesItsRegistration(t *testing.T) {
	t.Parallel()
	for kind, object := range map[string]string{
		"checkout.session.completed":    `{"id":"cs_1","payment_status":"paid","metadata":{"registrationId":"reg-1"}}`,
		"payment_intent.payment_failed": `{"id":"pi_1","metadata":{"registrationId":"reg-1"}}`,
		"charge.refunded":               `{"id":"ch_1","metadata":{"registrationId":"reg-1"}}`,
		"charge.dispute.created":        `{"id":"dp_1","charge":"ch_1","metadata":{"registrationId":"reg-1"}}`,
		"refund.failed":                 `{"id":"re_1","charge":"ch_1","status":"failed","metadata":{"registrationId":"reg-1"}}`,
	} {
		if e := decode(t, event(kind, object)); e.Registration != "reg-1" {
			t.Errorf("%s: %+v", kind, e)
		}
	}
}
