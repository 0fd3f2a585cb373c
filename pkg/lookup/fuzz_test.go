package lookup_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/registration"
)

func FuzzASessionsAnswer(f *testing.F) {
	for _, o := range []Object{
		with(session("cs_test_1", "complete", "paid", ""), "payment_intent", with(intent("pi_1", "succeeded", ""), "latest_charge", charge("ch_1", "pi_1"))),
		with(session("cs_test_1", "complete", "unpaid", ""), "payment_intent", intent("pi_1", "canceled", "")),
		with(session("cs_test_1", "complete", "unpaid", ""), "payment_intent", with(intent("pi_1", "requires_payment_method", ""), "last_payment_error", Object{"message": "no"})),
		session("cs_test_1", "expired", "unpaid", "pi_1"),
		session("cs_test_1", "open", "unpaid", ""),
	} {
		body, err := json.Marshal(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{`))
	c, err := lookup.New(patient("http://127.0.0.1:1"), lookup.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := c.Read("cs_test_1", body)
		if err != nil {
			if !errors.Is(err, lookup.ErrUnexpected) || len(a.Facts) != 0 {
				t.Errorf("%+v, %v", a, err)
			}
			return
		}
		kinds := map[lookup.Outcome][]registration.FactKind{
			lookup.Paid: {registration.Paid}, lookup.Processing: {registration.PaymentProcessing}, lookup.Expired: {registration.SessionExpired},
			lookup.Failed: {registration.PaymentFailed, registration.IntentCanceled}, lookup.Open: nil, lookup.OtherMode: nil,
		}
		possible, known := kinds[a.Outcome]
		if !known || (len(a.Facts) == 1) != (possible != nil) {
			t.Fatalf("answered %+v", a)
		}
		for _, fact := range a.Facts {
			if fact.Kind != possible[0] && fact.Kind != possible[len(possible)-1] {
				t.Errorf("%s tells %s", a.Outcome, fact.Kind)
			}
			if len(fact.ID) > 255 || fact.Session != "cs_test_1" || fact.Created.Unix() <= 0 || len(fact.Message) > 500 || len(fact.Currency) > 3 {
				t.Errorf("tells %+v", fact)
			}
		}
	})
}
