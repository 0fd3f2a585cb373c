package fakestripe_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
	"github.com/educareschool/guichet/pkg/simulate"
)

type object = fakestripe.Object

// get asks with the right key, unless headers say otherwise.
func get(t *testing.T, s *fakestripe.Server, path string, headers ...string) (int, object, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+fakestripe.Key)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body object
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if !strings.HasPrefix(res.Header.Get("Request-Id"), "req_") {
		t.Errorf("%s: no Request-Id", path)
	}
	return res.StatusCode, body, res.Header
}

// ids are those of a list, and whether there is more.
func ids(t *testing.T, s *fakestripe.Server, path string, headers ...string) string {
	t.Helper()
	status, body, _ := get(t, s, path, headers...)
	if status != 200 || body["object"] != "list" || !strings.HasPrefix(path, body["url"].(string)) {
		t.Fatalf("%s: %d %v", path, status, body)
	}
	var out []string
	for _, o := range body["data"].([]any) {
		out = append(out, o.(object)["id"].(string))
	}
	if body["has_more"].(bool) {
		out = append(out, "…")
	}
	return strings.Join(out, " ")
}

func TestErrorsAreStripes(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Forbid("/v1/charges", "rak_charge_read")
	for name, c := range map[string]struct {
		path    string
		headers []string
		status  int
		code    any
		param   any
		message string
	}{
		"no key":            {"/v1/events", []string{"Authorization", ""}, 401, nil, nil, "You did not provide an API key"},
		"wrong key":         {"/v1/events", []string{"Authorization", "Bearer sk_test_somebodyelse"}, 401, nil, nil, "Invalid API Key provided: sk_test_********else"},
		"wrong account":     {"/v1/events", []string{"Stripe-Account", "acct_9"}, 403, "account_invalid", nil, "does not have access to account 'acct_9'"},
		"no permission":     {"/v1/charges/ch_1", nil, 403, nil, nil, "Having the 'rak_charge_read' permission"},
		"no such session":   {"/v1/checkout/sessions/cs_1", nil, 404, "resource_missing", "session", "No such checkout.session: 'cs_1'"},
		"no such intent":    {"/v1/payment_intents/pi_1", nil, 404, "resource_missing", "intent", "No such payment_intent: 'pi_1'"},
		"no such event":     {"/v1/events/evt_1", nil, 404, "resource_missing", "id", "No such event: 'evt_1'"},
		"intent of a list":  {"/v1/checkout/sessions?payment_intent=pi_1", nil, 400, "resource_missing", "payment_intent", "No such payment_intent"},
		"after nothing":     {"/v1/events?starting_after=evt_1", nil, 400, "resource_missing", "starting_after", "No such event"},
		"unknown path":      {"/v1/nothing", nil, 404, nil, nil, "Unrecognized request URL (GET: /v1/nothing)."},
		"before nothing":    {"/v1/events?ending_before=evt_1", nil, 400, "resource_missing", "ending_before", "No such event"},
		"both directions":   {"/v1/events?ending_before=evt_1&starting_after=evt_1", nil, 400, nil, "starting_after", "both"},
		"too many":          {"/v1/events?limit=101", nil, 400, nil, "limit", "between 1 and 100"},
		"unknown parameter": {"/v1/events?status=paid", nil, 400, "parameter_unknown", "status", "Received unknown parameter: status"},
		"of an object":      {"/v1/payment_intents/pi_1?limit=1", nil, 400, "parameter_unknown", "limit", ""},
		"not a time":        {"/v1/events?created[gte]=yesterday", nil, 400, nil, "created", "Invalid integer"},
		"not a comparison":  {"/v1/events?created[about]=5", nil, 400, "parameter_unknown", "created[about]", ""},
		"21 types":          {"/v1/events?" + strings.Repeat("types[]=a&", 21), nil, 400, nil, "types", "more than 20"},
		"too deep":          {"/v1/payment_intents/pi_1?expand[]=a.b.c.d.e", nil, 400, nil, "expand", "more than 4 levels"},
		"list, not its data": {"/v1/checkout/sessions?expand[]=payment_intent", nil, 400, nil, "expand",
			"try expanding 'data.payment_intent'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body, _ := get(t, s, c.path, c.headers...)
			e, _ := body["error"].(object)
			message, _ := e["message"].(string)
			if status != c.status || e["type"] != "invalid_request_error" || e["code"] != c.code || e["param"] != c.param || !strings.Contains(message, c.message) {
				t.Errorf("answered %d %v", status, body)
			}
		})
	}
}

func TestListsAreNewestFirstAndInPages(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	for n := range 12 {
		s.Add("", fakestripe.With(fakestripe.Session(fmt.Sprintf("cs_%d", n), "open", "unpaid", ""), "created", fakestripe.SessionMade+n/2))
	}
	s.Add("acct_1", fakestripe.Session("cs_other", "open", "unpaid", ""))
	for path, want := range map[string]string{
		"/v1/checkout/sessions":                                                    "cs_11 cs_10 cs_9 cs_8 cs_7 cs_6 cs_5 cs_4 cs_3 cs_2 …",
		"/v1/checkout/sessions?limit=3":                                            "cs_11 cs_10 cs_9 …",
		"/v1/checkout/sessions?limit=3&starting_after=cs_9":                        "cs_8 cs_7 cs_6 …",
		"/v1/checkout/sessions?limit=3&starting_after=cs_3":                        "cs_2 cs_1 cs_0",
		"/v1/checkout/sessions?limit=100&starting_after=cs_1":                      "cs_0",
		"/v1/checkout/sessions?starting_after=cs_0":                                "",
		"/v1/checkout/sessions?limit=2&created[lt]=1700000002":                     "cs_3 cs_2 …",
		"/v1/checkout/sessions?created[lte]=1700000000":                            "cs_1 cs_0",
		"/v1/checkout/sessions?created[gt]=1700000004":                             "cs_11 cs_10",
		"/v1/checkout/sessions?limit=3&ending_before=cs_3":                         "cs_6 cs_5 cs_4 …",
		"/v1/checkout/sessions?limit=3&ending_before=cs_8":                         "cs_11 cs_10 cs_9",
		"/v1/checkout/sessions?ending_before=cs_11":                                "",
		"/v1/checkout/sessions?limit=2&ending_before=cs_0&created[lte]=1700000001": "cs_2 cs_1 …",
		"/v1/charges":           "",
		"/v1/webhook_endpoints": "",
		"/v1/checkout/sessions?created[gte]=1700000005&limit=100": "cs_11 cs_10",
	} {
		if got := ids(t, s, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := ids(t, s, "/v1/checkout/sessions", "Stripe-Account", "acct_1"); got != "cs_other" {
		t.Errorf("of the account: %q", got)
	}
}

func TestSessionsOfAnIntent(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Add("", fakestripe.Intent("pi_1", "succeeded", "ch_1"), fakestripe.Charge("ch_1", "pi_1"), fakestripe.Intent("pi_2", "succeeded", ""),
		fakestripe.Session("cs_1", "complete", "paid", "pi_1"), fakestripe.Session("cs_2", "open", "unpaid", ""),
		fakestripe.With(fakestripe.Session("cs_3", "expired", "unpaid", ""), "payment_intent", fakestripe.Intent("pi_1", "succeeded", "")))
	if got := ids(t, s, "/v1/checkout/sessions?payment_intent=pi_1"); got != "cs_3 cs_1" {
		t.Errorf("listed %q", got)
	}
	if got := ids(t, s, "/v1/checkout/sessions?payment_intent=pi_2"); got != "" {
		t.Errorf("listed %q", got)
	}
	_, body, _ := get(t, s, "/v1/checkout/sessions?payment_intent=pi_1&expand[]=data.payment_intent.latest_charge")
	intent := body["data"].([]any)[1].(object)["payment_intent"].(object)
	if intent["latest_charge"].(object)["payment_intent"] != "pi_1" {
		t.Errorf("expanded to %v", intent)
	}
}

func TestExpansionIsAskedFor(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Add("", fakestripe.Session("cs_1", "complete", "paid", "pi_1"), fakestripe.Session("cs_2", "open", "unpaid", ""),
		fakestripe.Session("cs_3", "complete", "paid", "pi_9"), fakestripe.Intent("pi_1", "succeeded", "ch_1"), fakestripe.Charge("ch_1", "pi_1"))
	for path, want := range map[string]string{
		"/v1/checkout/sessions/cs_1":                                       `"pi_1"`,
		"/v1/checkout/sessions/cs_2?expand[]=payment_intent.latest_charge": `null`,
		"/v1/checkout/sessions/cs_3?expand[0]=payment_intent":              `{"id":"pi_9","object":"payment_intent"}`,
	} {
		_, body, _ := get(t, s, path)
		if got, _ := json.Marshal(body["payment_intent"]); string(got) != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	_, body, _ := get(t, s, "/v1/checkout/sessions/cs_1?expand[]=payment_intent")
	if intent := body["payment_intent"].(object); intent["status"] != "succeeded" || intent["latest_charge"] != "ch_1" {
		t.Errorf("expanded to %v", intent)
	}
	if status, _, _ := get(t, s, "/v1/checkout/sessions/cs_1?expand[]=metadata"); status != 400 {
		t.Errorf("expanded what is no reference: %d", status)
	}
}

func TestEventsAreListedForThirtyDays(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	now := time.Unix(fakestripe.SessionMade, 0)
	s.Now = func() time.Time { return now }
	stripe := simulate.New(rand.New(rand.NewPCG(1, 2)), s.Now)
	p := stripe.Payment("reg-1")
	days := func(n int) simulate.Option { return simulate.At(now.AddDate(0, 0, -n)) }
	s.Happened("",
		p.Failed(simulate.CardDeclined(), simulate.WithID("evt_failed"), days(29)),
		p.Completed(simulate.WithID("evt_completed"), days(28)),
		p.SessionExpired(simulate.WithID("evt_old"), days(31)))
	s.AddEvent("", object{"id": "evt_taken", "object": "event", "type": "charge.refunded", "created": now.Unix()}, true)
	for path, want := range map[string]string{
		"/v1/events":                        "evt_taken evt_completed evt_failed",
		"/v1/events?delivery_success=false": "evt_completed evt_failed",
		"/v1/events?delivery_success=true":  "evt_taken",
		"/v1/events?types[]=charge.refunded&types[]=payment_intent.payment_failed": "evt_taken evt_failed",
		"/v1/events?types[0]=charge.refunded":                                      "evt_taken",
		"/v1/events?type=checkout.session.completed":                               "evt_completed",
		"/v1/events?delivery_success=false&limit=1":                                "evt_completed …",
		"/v1/events?delivery_success=false&limit=1&starting_after=evt_completed":   "evt_failed",
		"/v1/events?delivery_success=false&starting_after=evt_taken":               "evt_completed evt_failed",
		fmt.Sprintf("/v1/events?created[gte]=%d", now.AddDate(0, 0, -28).Unix()):   "evt_taken evt_completed",
	} {
		if got := ids(t, s, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	s.Deliver("", "evt_completed")
	if got := ids(t, s, "/v1/events?delivery_success=false"); got != "evt_failed" {
		t.Errorf("once it is delivered: %q", got)
	}
	_, event, _ := get(t, s, "/v1/events/evt_completed")
	if event["data"].(object)["object"].(object)["id"] != p.Session {
		t.Errorf("the event tells of %v", event["data"])
	}
	if status, body, _ := get(t, s, "/v1/payment_intents/"+p.Intent); status != 200 || body["status"] != "requires_payment_method" {
		t.Errorf("the intent is %d %v", status, body)
	}
}

func TestFailuresAreGivenInOrder(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Fail(2, 429)
	s.FailWith(1, fakestripe.Failure{Status: 503, RetryAfter: "3"})
	for _, want := range []struct {
		status     int
		kind, wait string
	}{
		{429, "invalid_request_error", ""}, {429, "invalid_request_error", ""}, {503, "api_error", "3"}, {200, "", ""},
	} {
		status, body, header := get(t, s, "/v1/events")
		e, _ := body["error"].(object)
		if kind, _ := e["type"].(string); status != want.status || kind != want.kind || header.Get("Retry-After") != want.wait {
			t.Errorf("answered %d %v %v, want %v", status, body, header, want)
		}
	}
	if got := len(s.Requests("/v1/events")); got != 4 {
		t.Errorf("counted %d requests, want 4", got)
	}
}

func TestAnswersTellStripesTime(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Now = func() time.Time { return time.Unix(fakestripe.SessionMade, 0) }
	for _, key := range []string{"Bearer " + fakestripe.Key, ""} {
		if _, _, header := get(t, s, "/v1/events", "Authorization", key); header.Get("Date") != "Tue, 14 Nov 2023 22:13:20 GMT" {
			t.Errorf("with the key %q it is %q", key, header.Get("Date"))
		}
	}
}
