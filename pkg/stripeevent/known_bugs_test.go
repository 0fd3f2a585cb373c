package stripeevent

import (
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/registration"
)

// Bugs that systems like this one had. Each test names where.

// stripe-go#1495, openmeter#2080: the library's version check refused every event.
func TestAnyAPIVersionIsDecoded(t *testing.T) {
	t.Parallel()
	paid := event("checkout.session.completed", paidSession)
	for _, version := range []string{`"2011-01-01"`, `"2020-08-27"`, `"2023-10-16"`, `"2099-12-31.future"`, `null`, `7`} {
		e := decode(t, strings.Replace(paid, `"2023-10-16"`, version, 1))
		if e.Fact == nil || e.Fact.Kind != registration.Paid {
			t.Errorf("version %s: %+v", version, e)
		}
		if e.APIVersion != strings.Trim(version, `"`) && strings.HasPrefix(version, `"`) {
			t.Errorf("version %s is told as %q", version, e.APIVersion)
		}
	}
}

// exercism#1702: an event was verified again when its turn came, and was too old by then.
func TestOldEventsAreDecoded(t *testing.T) {
	t.Parallel()
	e := decode(t, strings.Replace(event("checkout.session.completed", paidSession), "1790000000", "1326853478", 1))
	if e.Fact == nil || e.Created.Unix() != 1326853478 {
		t.Errorf("got %+v", e)
	}
}

// gameserverapp#1216 took it for a failure, AI-Shipping-Labs#1423 for the end.
func TestCompletedAndUnpaidIsAPaymentOnItsWay(t *testing.T) {
	t.Parallel()
	e := decode(t, event("checkout.session.completed", strings.Replace(paidSession, `"paid"`, `"unpaid"`, 1)))
	if e.Fact == nil || e.Fact.Kind != registration.PaymentProcessing || e.Registration != "reg-1" {
		t.Errorf("got %+v", e)
	}
}

// Whole typed decodes fail on details that nobody needs, and a payment is lost for them.
func TestWhatNobodyNeedsMayBeOfAnyShape(t *testing.T) {
	t.Parallel()
	for _, odd := range []string{`7`, `"x"`, `true`, `null`, `[]`, `{}`, `[{"x":[null]}]`} {
		object := strings.Replace(paidSession, `{"id"`, `{"customer_details":`+odd+`,"expires_at":`+odd+`,"total_details":`+odd+`,"id"`, 1)
		body := strings.Replace(event("checkout.session.completed", object), `{"id"`, `{"request":`+odd+`,"pending_webhooks":`+odd+`,"id"`, 1)
		if e := decode(t, body); e.Fact == nil || e.Fact.Amount != 2500 || e.Registration != "reg-1" {
			t.Errorf("%s: %+v", odd, e)
		}
	}
}
