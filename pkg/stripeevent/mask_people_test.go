package stripeevent_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func masked(t *testing.T, body string) gjson.Result {
	t.Helper()
	out, err := stripeevent.Mask([]byte(body))
	if err != nil || !gjson.ValidBytes(out) {
		t.Fatalf("%v: %s", err, out)
	}
	return gjson.ParseBytes(out)
}

func TestMask_HidesPeopleInEveryTypeOfEvent(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	payment := simulate.New(rand.New(rand.NewPCG(1, 2)), func() time.Time { return noon }).Payment("reg-1")
	for _, kind := range simulate.Catalog() {
		e, err := payment.Build(kind.Type, simulate.Choices{})
		if err != nil {
			t.Fatal(err)
		}
		before, after := gjson.ParseBytes(e.Body), masked(t, string(e.Body))
		for _, private := range []string{
			simulate.BuyerName, "Lovelace", simulate.BuyerEmail, "example.com", simulate.BuyerPhone, "Exemple", "75011", "Paris", "192.0.2.17", "receipts", "checkout/",
		} {
			if strings.Contains(after.Raw, private) {
				t.Errorf("%s shows %q:\n%s", kind.Type, private, after.Raw)
			}
		}
		for _, path := range []string{
			"id", "type", "created", "api_version", "livemode", "data.object.id", "data.object.object", "data.object.amount", "data.object.amount_total",
			"data.object.currency", "data.object.status", "data.object.payment_status", "data.object.payment_intent", "data.object.charge",
			"data.object.reason", "data.object.metadata.registrationId", "data.object.last_payment_error.message",
			"data.object.last_payment_error.decline_code", "data.object.evidence_details.due_by", "data.object.latest_charge",
		} {
			if got, want := after.Get(path).String(), before.Get(path).String(); got != want {
				t.Errorf("%s: %s is %s, was %s", kind.Type, path, got, want)
			}
		}
	}
}

func TestMask_GoesByTheWordsOfAKey(t *testing.T) {
	t.Parallel()
	for key, shown := range map[string]bool{
		"receipt_email": false, "preferred_name": false, "Phone": false, "phone_number": false, "customer_purchase_ip": false, "dob": false,
		"postal_code": false, "line1": false, "client_reference_id": false, "shipping": false, "iban_last4": false,
		"status": true, "object": true, "zip_code_check": true, "recipient": true,
	} {
		if got := masked(t, `{"`+key+`":"Ada"}`).Get(key).Str; (got == "Ada") != shown {
			t.Errorf("%s is shown as %q", key, got)
		}
	}
}

func TestMask_HidesWhatLooksLikeANumberOfSomebody(t *testing.T) {
	t.Parallel()
	for value, shown := range map[string]bool{
		"+33199001234": false, "33199001234": false, "01-99-00-12-34": false, "1990-01-02": false, "192.0.2.17": false, "2001:db8::1": false,
		"10.4": true, "8d2f61a6-5a3c-4a30-b1f6-1c2d3e4f5a6b": true, "12:30": true, "2026-03-10T12:00:00Z": true, "evt_1AbC": true, "000123": true,
	} {
		if got := masked(t, `{"new_field":"`+value+`"}`).Get("new_field").Str; (got == value) != shown {
			t.Errorf("%q is shown as %q", value, got)
		}
	}
}

func TestMask_ShowsARegistrationWhateverItsIdLooksLike(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"reg-1", "10052026", "8d2f61a6-5a3c-4a30-b1f6-1c2d3e4f5a6b", "Gala 2026/12"} {
		if got := masked(t, `{"metadata":{"registrationId":"`+id+`"}}`).Get("metadata.registrationId").Str; got != id {
			t.Errorf("%q is shown as %q", id, got)
		}
	}
	if got := masked(t, `{"metadata":{"registrationId":{"name":"Ada"},"inner":{"registrationId":"Ada"}}}`); strings.Contains(got.Raw, "Ada") {
		t.Errorf("got %s", got.Raw)
	}
}

func TestMask_HidesWhatNestsTooDeep(t *testing.T) {
	t.Parallel()
	if got := masked(t, strings.Repeat(`[`, 5000)+`"Ada"`+strings.Repeat(`]`, 5000)); strings.Contains(got.Raw, "Ada") {
		t.Error("it is shown")
	}
}
