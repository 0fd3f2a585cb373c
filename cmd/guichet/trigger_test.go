package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/simulate"
)

const secret = "whsec_of_the_tests" // #nosec G101 -- opens nothing

// receiver is an endpoint that keeps what verifies and gives a fixed answer.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	events []stripe.Event
}

func receive(t *testing.T, status int, answer string) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		if q.URL.Path != "/stripe/webhooks" {
			t.Errorf("posted to %s", q.URL.Path)
		}
		event, err := webhook.ConstructEvent(body, q.Header.Get(simulate.SignatureHeader), secret)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"code":"signature_wrong","message":"The signature does not match."}}`)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, event)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) env() map[string]string {
	return map[string]string{"GUICHET_URL": r.URL, "STRIPE_WEBHOOK_SECRET": secret}
}

func TestTrigger_SendsOneSignedEventAndTellsOfIt(t *testing.T) {
	t.Parallel()
	r := receive(t, http.StatusOK, `{"received":true}`)
	got := guichet(t, r.env(), "trigger", "checkout.session.completed", "--registration", "reg-1", "--amount", "1200", "--currency", "CHF")
	if got.code != service.ExitOK || got.stderr != "" || len(r.events) != 1 {
		t.Fatalf("%+v, with %d events", got, len(r.events))
	}
	var session stripe.CheckoutSession
	if err := json.Unmarshal(r.events[0].Data.Raw, &session); err != nil {
		t.Fatal(err)
	}
	if session.Metadata["registrationId"] != "reg-1" || session.AmountTotal != 1200 || session.Currency != "chf" {
		t.Errorf("the session is %+v", session)
	}
	for _, want := range []string{"checkout.session.completed", r.events[0].ID, session.ID, session.PaymentIntent.ID, "reg-1", r.URL, "200 OK", `{"received":true}`} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s", want, got.stdout)
		}
	}
}

func TestTrigger_KeepsToOnePaymentForARegistration(t *testing.T) {
	t.Parallel()
	r := receive(t, http.StatusOK, "{}")
	for _, args := range [][]string{
		{"payment_intent.payment_failed"}, {"checkout.session.completed"}, {"payment_intent.succeeded"},
		{"charge.dispute.created"}, {"charge.dispute.closed", "--dispute-status", "won"}, {"charge.refunded"},
	} {
		if got := guichet(t, r.env(), append([]string{"trigger", "--registration", "reg-1"}, args...)...); got.code != service.ExitOK {
			t.Fatalf("%+v", got)
		}
	}
	want := simulate.Derive("reg-1", simulate.IDs{})
	names := func(e stripe.Event) (id, intent, charge string) {
		text := func(field string) string { s, _ := e.Data.Object[field].(string); return s }
		return text("id"), text("payment_intent"), text("charge")
	}
	seen := map[string]bool{}
	for _, e := range r.events {
		seen[e.ID] = true
		id, intent, charge := names(e)
		ok := map[string]bool{
			"checkout.session": id == want.Session && intent == want.Intent,
			"payment_intent":   id == want.Intent,
			"dispute":          id == want.Dispute && charge == want.Charge && intent == want.Intent,
			"charge":           id == want.Charge && intent == want.Intent,
		}[e.Data.Object["object"].(string)]
		if !ok {
			t.Errorf("%s names %s, %s, %s; want %+v", e.Type, id, intent, charge, want)
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d of 6 events have an id of their own", len(seen))
	}
}

func TestTrigger_PrintsJSONForPrograms(t *testing.T) {
	t.Parallel()
	r := receive(t, http.StatusOK, `{"received":true,"duplicate":true}`)
	got := guichet(t, r.env(), "trigger", "payment_intent.canceled", "--session", "cs_given", "--id", "evt_given", "--output", "json")
	var d delivery
	if err := json.Unmarshal([]byte(got.stdout), &d); err != nil {
		t.Fatalf("%v in %s", err, got.stdout)
	}
	want := simulate.Derive("", simulate.IDs{Session: "cs_given"})
	if got.code != service.ExitOK || d.Event != "evt_given" || d.Type != "payment_intent.canceled" || d.Session != "cs_given" ||
		d.Intent != want.Intent || d.Object != want.Intent || d.Status != 200 || !d.Signed || !strings.Contains(string(d.Answer), "duplicate") {
		t.Errorf("%d %+v", got.code, d)
	}
}

func TestTrigger_FailsWithTheAnswersExplanation(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status       int
		answer, want string
	}{
		"explained": {503, `{"error":{"code":"store_full","message":"The event store is full."}}`, "503, The event store is full."},
		"plain":     {502, "Bad gateway\n", "502, Bad gateway"},
		"redirect":  {302, "", "302"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, test.status, test.answer)
			got := guichet(t, r.env(), "trigger", "charge.refunded")
			if got.code != service.ExitFailed || !strings.Contains(got.stderr, test.want) {
				t.Errorf("%+v, want %q", got, test.want)
			}
		})
	}
}

func TestTrigger_FindsWhereToSendAndWhatToSignWith(t *testing.T) {
	t.Parallel()
	r := receive(t, http.StatusOK, "{}")
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, secret+"\n")
	const wrong = "whsec_wrong"
	dead := "http://127.0.0.1:1"
	tests := map[string]struct {
		dev  string
		env  map[string]string
		args []string
	}{
		"environment":                {env: r.env()},
		"secret in a file":           {env: map[string]string{"GUICHET_URL": r.URL + "/", "STRIPE_WEBHOOK_SECRET_FILE": file}},
		"first of several secrets":   {env: map[string]string{"GUICHET_URL": r.URL, "STRIPE_WEBHOOK_SECRET": " " + secret + ", " + wrong}},
		"guichet dev":                {dev: "# made by guichet dev\n\nexport GUICHET_URL=" + r.URL + "\nSTRIPE_WEBHOOK_SECRET=\"" + secret + "\"\n"},
		"environment before dev":     {dev: "GUICHET_URL=" + dead + "\nSTRIPE_WEBHOOK_SECRET=" + wrong, env: r.env()},
		"file of environment, too":   {dev: "GUICHET_URL=" + r.URL + "\nSTRIPE_WEBHOOK_SECRET=" + wrong, env: map[string]string{"STRIPE_WEBHOOK_SECRET_FILE": file}},
		"flags before all":           {env: map[string]string{"GUICHET_URL": dead, "STRIPE_WEBHOOK_SECRET": wrong}, args: []string{"--url", r.URL + "/stripe/webhooks", "--secret", secret}},
		"an address with a password": {env: r.env(), args: []string{"--url", strings.Replace(r.URL, "http://", "http://me:"+secret+"@", 1)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			if test.dev != "" {
				write(t, filepath.Join(data, "dev.env"), test.dev)
			}
			got := guichetIn(t.Context(), data, test.env, append([]string{"trigger", "charge.refunded"}, test.args...)...)
			if got.code != service.ExitOK {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.stdout+got.stderr, secret) || strings.Contains(got.stdout+got.stderr, wrong) {
				t.Error("a secret is printed")
			}
		})
	}
}

func TestTrigger_NeverShowsASecretInARefusal(t *testing.T) {
	t.Parallel()
	r := receive(t, http.StatusOK, "{}")
	for _, args := range [][]string{
		{"--secret", "whsec_mistaken"}, {"--secret", "whsec_mistaken", "--output=json"},
		{"--secret", "whsec_mistaken", "--url=http://127.0.0.1:1"}, {"--secret", "whsec_mistaken", "--dispute-status=none"},
	} {
		got := guichet(t, r.env(), append([]string{"trigger", "charge.dispute.created"}, args...)...)
		if got.code == service.ExitOK || strings.Contains(got.stdout+got.stderr, "whsec_mistaken") {
			t.Errorf("%+v", got)
		}
	}
}

func TestTrigger_SaysThatNothingIsSignedWithoutASecret(t *testing.T) {
	t.Parallel()
	r := receive(t, http.StatusOK, "{}")
	got := guichet(t, map[string]string{"GUICHET_URL": r.URL}, "trigger", "charge.refunded")
	if got.code != service.ExitFailed || !strings.Contains(got.stdout, "not signed") {
		t.Errorf("%+v", got)
	}
}

func TestTrigger_NamesTheTypesForAnUnknownOne(t *testing.T) {
	t.Parallel()
	got := guichet(t, nil, "trigger", "checkout.session.complete")
	if got.code != service.ExitUsage || !strings.Contains(got.stderr, "known are checkout.session.completed,") {
		t.Errorf("%+v", got)
	}
	list := guichet(t, nil, "trigger", "--list")
	var types []struct{ Type, About string }
	if err := json.Unmarshal([]byte(guichet(t, nil, "trigger", "--list", "-o", "json").stdout), &types); err != nil {
		t.Fatal(err)
	}
	for _, k := range simulate.Catalog() {
		if !strings.Contains(list.stdout, k.Type) || !strings.Contains(got.stderr, k.Type) {
			t.Errorf("%s is not listed", k.Type)
		}
	}
	if len(types) != len(simulate.Catalog()) {
		t.Errorf("%d types as JSON", len(types))
	}
}

func TestTrigger_PrintsABodyAndSendsNothing(t *testing.T) {
	t.Parallel()
	r := receive(t, http.StatusOK, "{}")
	got := guichet(t, r.env(), "trigger", "payment_intent.payment_failed", "--decline", "insufficient_funds", "--print",
		"--live", "--account", "acct_1", "--charge", "ch_given", "--ago", "2h")
	var event stripe.Event
	if err := json.Unmarshal([]byte(got.stdout), &event); err != nil {
		t.Fatal(err)
	}
	var intent stripe.PaymentIntent
	if err := json.Unmarshal(event.Data.Raw, &intent); err != nil {
		t.Fatal(err)
	}
	if !event.Livemode || event.Account != "acct_1" || intent.LatestCharge.ID != "ch_given" ||
		intent.LastPaymentError.DeclineCode != "insufficient_funds" || intent.Created != event.Created {
		t.Errorf("%+v of %+v", event, intent)
	}
	if len(r.events) != 0 {
		t.Error("it was sent")
	}
}

func TestTrigger_FailsWhereNobodyAnswersOrItIsInterrupted(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if got := guichet(t, nil, "trigger", "charge.refunded", "--url", gone.URL); got.code != service.ExitFailed || !strings.Contains(got.stderr, gone.URL) {
		t.Errorf("%+v", got)
	}
	r := receive(t, http.StatusOK, "{}")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := guichetIn(ctx, t.TempDir(), r.env(), "trigger", "charge.refunded"); got.code != service.ExitFailed || len(r.events) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestReadDevEnv_NamesTheLineItCannotRead(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	write(t, filepath.Join(data, "dev.env"), "GUICHET_URL=http://127.0.0.1\nwhsec_without_a_name\n")
	got := guichetIn(t.Context(), data, nil, "trigger", "charge.refunded")
	if got.code != service.ExitUsage || !strings.Contains(got.stderr, "line 2") || strings.Contains(got.stderr, "whsec") {
		t.Errorf("%+v", got)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
