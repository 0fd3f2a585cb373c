package stripeevent

import (
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/registration"
)

func TestPaymentIntents(t *testing.T) {
	t.Parallel()
	declined := registration.Fact{
		Kind: registration.PaymentFailed, Intent: "pi_1", IntentCreated: intentTime, Charge: "ch_1",
		Message: "Your card was declined.", Code: "card_declined", DeclineCode: "generic_decline",
	}
	bare := registration.Fact{Kind: registration.PaymentFailed, Intent: "pi_1", IntentCreated: intentTime}
	const failure = `"message":"Your card was declined.","code":"card_declined","decline_code":"generic_decline"`
	succeeded := registration.Fact{Kind: registration.IntentSucceeded, Intent: "pi_1", IntentCreated: intentTime, Charge: "ch_1"}
	action := registration.Fact{Kind: registration.ActionRequired, Intent: "pi_1", IntentCreated: intentTime}
	redirect := action
	redirect.ActionURL = "https://hooks.example/3ds?x=1&y=2"
	priced := redirect
	priced.Amount, priced.Currency = 2500, "eur"
	testTold(t, []told{
		{"an action, its amount told", "payment_intent.requires_action",
			`{"id":"pi_1","created":1789999000,"amount":2500,"currency":"eur","next_action":{"redirect_to_url":{"url":"https://hooks.example/3ds?x=1&y=2"}}}`, priced},
		{"declined", "payment_intent.payment_failed",
			`{"id":"pi_1","created":1789999000,"latest_charge":"ch_9","last_payment_error":{"charge":"ch_1",` + failure + `}}`, declined},
		{"declined, the charge expanded", "payment_intent.payment_failed",
			`{"id":"pi_1","created":1789999000,"last_payment_error":{"charge":{"id":"ch_1"},` + failure + `}}`, declined},
		{"declined, the intent alone naming the charge", "payment_intent.payment_failed",
			`{"id":"pi_1","created":1789999000,"latest_charge":"ch_1","last_payment_error":{` + failure + `}}`, declined},
		{"declined, before API version 2022-11-15", "payment_intent.payment_failed",
			`{"id":"pi_1","created":1789999000,"charges":{"data":[{"id":"ch_1"},{"id":"ch_0"}]},"last_payment_error":{` + failure + `}}`, declined},
		{"failed before there was a charge", "payment_intent.payment_failed",
			`{"id":"pi_1","created":1789999000,"latest_charge":null,"charges":{"data":[]},"last_payment_error":null}`, bare},
		{"failed without a word", "payment_intent.payment_failed", `{"id":"pi_1","created":1789999000}`, bare},
		{"failed, its errors not of the kinds expected", "payment_intent.payment_failed",
			`{"id":"pi_1","created":1789999000,"last_payment_error":{"message":7,"code":{"id":"x"},"decline_code":["y"],"charge":false}}`, bare},

		{"an action, as a page to visit", "payment_intent.requires_action",
			`{"id":"pi_1","created":1789999000,"next_action":{"type":"redirect_to_url","redirect_to_url":{"url":"https://hooks.example/3ds?x=1&y=2"}}}`, redirect},
		{"an action on the page", "payment_intent.requires_action",
			`{"id":"pi_1","created":1789999000,"next_action":{"type":"use_stripe_sdk","use_stripe_sdk":{"type":"three_ds"}}}`, action},
		{"an action without a word", "payment_intent.requires_action", `{"id":"pi_1","created":1789999000}`, action},

		{"canceled", "payment_intent.canceled", `{"id":"pi_1","created":1789999000,"cancellation_reason":"abandoned"}`,
			registration.Fact{Kind: registration.IntentCanceled, Intent: "pi_1", IntentCreated: intentTime, Reason: "abandoned"}},
		{"canceled without a reason", "payment_intent.canceled", `{"id":"pi_1","created":1789999000,"cancellation_reason":null}`,
			registration.Fact{Kind: registration.IntentCanceled, Intent: "pi_1", IntentCreated: intentTime}},
		{"an intent that does not say when it was made", "payment_intent.canceled", `{"id":"pi_1","created":null}`,
			registration.Fact{Kind: registration.IntentCanceled, Intent: "pi_1"}},

		{"succeeded", "payment_intent.succeeded", `{"id":"pi_1","created":1789999000,"latest_charge":"ch_1"}`, succeeded},
		{"succeeded, the charge expanded", "payment_intent.succeeded", `{"id":"pi_1","created":1789999000,"latest_charge":{"id":"ch_1"}}`, succeeded},
		{"succeeded, before API version 2022-11-15", "payment_intent.succeeded",
			`{"id":"pi_1","created":1789999000,"charges":{"data":[{"id":"ch_1"}]}}`, succeeded},
	})
}

func TestAnIntentWithoutAnIDIsUndecodable(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{
		"payment_intent.payment_failed", "payment_intent.requires_action", "payment_intent.canceled", "payment_intent.succeeded",
	} {
		refused(t, event(kind, `{"created":1789999000}`))
		refused(t, event(kind, `{"id":{"id":"pi_1"},"created":1789999000}`))
	}
}

func TestStripesWordsAreOneBoundedLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, message, want string }{
		{"lines", `"one\r\ntwo\tthree"`, "one  two three"},
		{"a NUL and a delete", `"a\u0000b\u007fc"`, "a b c"},
		{"control characters beyond ASCII", `"a\u0085b\u009bc"`, "a b c"},
		{"half a surrogate pair", `"a\ud800b"`, "a�b"},
		{"a whole pair", `"\ud83d\ude00"`, "😀"},
		{"broken UTF-8", "\"a\xff\xfeb\"", "a�b"},
		{"markup is left to who shows it", `"<b>&\"';--"`, `<b>&"';--`},
		{"long", `"` + strings.Repeat("x", 10000) + `"`, strings.Repeat("x", maxText)},
		{"long, cut within a letter", `"x` + strings.Repeat("é", 10000) + `"`, "x" + strings.Repeat("é", (maxText-1)/2)},
		{"nothing but blanks", `" \n "`, ""},
		{"no text", `42`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := decode(t, event("payment_intent.payment_failed", `{"id":"pi_1","last_payment_error":{"message":`+c.message+`}}`))
			if e.Fact.Message != c.want {
				t.Errorf("got %q, want %q", e.Fact.Message, c.want)
			}
		})
	}
}
