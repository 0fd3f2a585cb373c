package stripeevent

import (
	"testing"

	"github.com/educareschool/guichet/pkg/registration"
)

func TestCheckoutSessions(t *testing.T) {
	t.Parallel()
	paid := registration.Fact{Kind: registration.Paid, Session: "cs_1", Intent: "pi_1", Amount: 2500, Currency: "eur"}
	free := registration.Fact{Kind: registration.Paid, Session: "cs_1", Currency: "eur"}
	testTold(t, []told{
		{"completed and paid", "checkout.session.completed",
			`{"id":"cs_1","mode":"payment","payment_status":"paid","payment_intent":"pi_1","amount_total":2500,"currency":"eur"}`, paid},
		{"completed, the intent expanded", "checkout.session.completed",
			`{"id":"cs_1","mode":"payment","payment_status":"paid","payment_intent":{"id":"pi_1","object":"payment_intent"},"amount_total":2500,"currency":"eur"}`, paid},
		{"completed, of an API version without modes", "checkout.session.completed",
			`{"id":"cs_1","payment_status":"paid","payment_intent":"pi_1","amount_total":2500,"currency":"eur"}`, paid},
		{"completed with nothing to pay", "checkout.session.completed",
			`{"id":"cs_1","mode":"payment","payment_status":"no_payment_required","payment_intent":null,"amount_total":0,"currency":"eur"}`, free},
		{"completed, paid later", "checkout.session.completed",
			`{"id":"cs_1","mode":"payment","payment_status":"unpaid","payment_intent":"pi_1","amount_total":2500,"currency":"eur"}`,
			registration.Fact{Kind: registration.PaymentProcessing, Session: "cs_1", Intent: "pi_1"}},
		{"a delayed payment succeeded", "checkout.session.async_payment_succeeded",
			`{"id":"cs_1","mode":"payment","payment_status":"paid","payment_intent":"pi_1","amount_total":2500,"currency":"eur"}`, paid},
		{"a delayed payment failed", "checkout.session.async_payment_failed",
			`{"id":"cs_1","mode":"payment","payment_status":"unpaid","payment_intent":"pi_1","amount_total":2500,"currency":"eur"}`,
			registration.Fact{Kind: registration.PaymentFailed, Session: "cs_1", Intent: "pi_1", SessionAsync: true, Amount: 2500, Currency: "eur"}},
		{"expired without a try", "checkout.session.expired",
			`{"id":"cs_1","mode":"payment","payment_status":"unpaid","payment_intent":null}`,
			registration.Fact{Kind: registration.SessionExpired, Session: "cs_1"}},
		{"expired after a try", "checkout.session.expired",
			`{"id":"cs_1","mode":"payment","payment_status":"unpaid","payment_intent":"pi_1"}`,
			registration.Fact{Kind: registration.SessionExpired, Session: "cs_1", Intent: "pi_1"}},
		{"without a word of its intent", "checkout.session.expired", `{"id":"cs_1"}`,
			registration.Fact{Kind: registration.SessionExpired, Session: "cs_1"}},
	})
}

func TestSessionsOfOtherModesAreIgnored(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{
		"checkout.session.completed", "checkout.session.expired",
		"checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
	} {
		for _, mode := range []string{"setup", "subscription", "one_of_the_future"} {
			e := decode(t, event(kind, `{"id":"cs_1","mode":"`+mode+`","payment_status":"paid","metadata":{"registrationId":"reg-1"}}`))
			if e.Fact != nil || e.Ignored != "session mode "+mode || e.Registration != "" {
				t.Errorf("%s of mode %s: %+v", kind, mode, e)
			}
		}
	}
}

func TestSessionsThatSayTooLittleAreUndecodable(t *testing.T) {
	t.Parallel()
	for _, object := range []string{
		`{"mode":"payment","payment_status":"paid"}`,
		`{"id":null,"mode":"payment","payment_status":"paid"}`,
		`{"id":"","mode":"payment","payment_status":"paid"}`,
		`{"id":7,"mode":"payment","payment_status":"paid"}`,
		`{"id":"cs_1","mode":"payment"}`,
		`{"id":"cs_1","mode":"payment","payment_status":null}`,
		`{"id":"cs_1","mode":"payment","payment_status":"one_of_the_future"}`,
	} {
		refused(t, event("checkout.session.completed", object))
	}
}
