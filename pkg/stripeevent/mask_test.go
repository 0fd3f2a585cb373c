package stripeevent

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestMask_HidesWhoAnEventIsAboutAndKeepsWhatHappened(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1","type":"charge.failed","api_version":"2023-10-16; beta=v1","created":1700000000,"livemode":false,"data":{"object":{
		"id":"ch_1","amount":4500,"currency":"eur","paid":false,"refunds":{},"tags":[],
		"billing_details":{"email":"ada@example.org","name":"Ada","phone":null,"address":{"line1":"1 rue X","postal_code":"75001"}},
		"receipt_email":"ada@example.org","receipt_url":"https://pay.stripe.com/receipts/secret","description":"Ada_Lovelace",
		"customer":"cus_1","customer_purchase_ip":"127.0.0.1","statement_descriptor":"GALA","calculated_statement_descriptor":"GALA 2026",
		"client_secret":"pi_1_secret_2","payment_method_details":{"card":{"last4":"0002","exp_year":2030,"brand":"visa"},"type":"card"},
		"metadata":{"registrationId":"reg-1","name":"Ada","seat":"12"},"custom_fields":[{"key":"diet","text":{"value":"none"}}],
		"last_payment_error":{"code":"card_declined","message":"Your card was declined."},"lines":["cs_1","two words"]}}}`
	got, err := Mask([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(got) {
		t.Fatalf("not JSON:\n%s", got)
	}
	for _, secret := range []string{"ada@", "Ada", "rue", "75001", "receipts", "127.0.0.1", "GALA 2026", "secret_2", "0002", "2030", `"12"`, "none", "two words"} {
		if strings.Contains(string(got), secret) {
			t.Errorf("%q is shown in\n%s", secret, got)
		}
	}
	for _, kept := range []string{
		`"id": "evt_1"`, `"type": "charge.failed"`, `"created": 1700000000`, `"livemode": false`, `"amount": 4500`, `"currency": "eur"`,
		`"customer": "cus_1"`, `"registrationId": "reg-1"`, `"message": "Your card was declined."`, `"code": "card_declined"`, `"cs_1"`,
		`"phone": null`, `"refunds": {}`, `"tags": []`, `"email": "***"`, `"seat": "***"`,
	} {
		if !strings.Contains(string(got), kept) {
			t.Errorf("%s is not in\n%s", kept, got)
		}
	}
}

func TestMask_RefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	if got, err := Mask([]byte(`{"email":"ada@example.org"`)); err == nil || strings.Contains(err.Error(), "ada") || got != nil {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzMask holds the masked text to be JSON of the same shape, with no text that has an @ in it.
func FuzzMask(f *testing.F) {
	f.Add([]byte(spaced))
	f.Add([]byte(`[{"email":["a@b",1,null,true]},{"metadata":{"registrationId":{"x":"y@z"}}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := Mask(body)
		if err != nil {
			return
		}
		var before, after any
		if json.Unmarshal(body, &before) != nil {
			return
		}
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%s became %s: %v", body, got, err)
		}
		compare(t, "", before, after)
	})
}

func compare(t *testing.T, key string, before, after any) {
	if after == Masked {
		return
	}
	switch b := before.(type) {
	case map[string]any:
		a, same := after.(map[string]any)
		if !same || len(a) != len(b) {
			t.Fatalf("%v became %v", before, after)
		}
		for k := range b {
			compare(t, k, b[k], a[k])
		}
	case []any:
		a, same := after.([]any)
		if !same || len(a) != len(b) {
			t.Fatalf("%v became %v", before, after)
		}
		for i := range b {
			compare(t, key, b[i], a[i])
		}
	case string:
		if a, same := after.(string); !same || a != b || strings.Contains(a, "@") && !words[key] && key != "registrationId" {
			t.Fatalf("%q became %v", b, after)
		}
	default:
		if after != before {
			t.Fatalf("%v became %v", before, after)
		}
	}
}
