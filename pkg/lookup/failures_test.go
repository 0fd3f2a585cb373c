package lookup_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
)

// secretKey is long enough for Stripe to show its beginning and its end in messages.
const secretKey = "rk_test_abcdefghijklmnopqrstuvwxyz"

func TestWhatStripeAnswersSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure fakestripe.Failure
		kind    error
		says    string
		wait    time.Duration
	}{
		"rate-limited":                {fakestripe.Failure{Status: 429}, lookup.ErrUnavailable, "it limits the rate of requests (HTTP 429, req_", time.Second},
		"rate-limited for a while":    {fakestripe.Failure{Status: 429, RetryAfter: "7"}, lookup.ErrUnavailable, "", 7 * time.Second},
		"rate-limited until a date":   {fakestripe.Failure{Status: 429, RetryAfter: "Tue, 14 Nov 2023 22:13:50 GMT"}, lookup.ErrUnavailable, "", 30 * time.Second},
		"rate-limited for a year":     {fakestripe.Failure{Status: 429, RetryAfter: "31536000"}, lookup.ErrUnavailable, "", 5 * time.Minute},
		"rate-limited until next age": {fakestripe.Failure{Status: 429, RetryAfter: "Tue, 14 Nov 2223 22:13:50 GMT"}, lookup.ErrUnavailable, "", 5 * time.Minute},
		"rate-limited till yesterday": {fakestripe.Failure{Status: 429, RetryAfter: "Mon, 13 Nov 2023 22:13:50 GMT"}, lookup.ErrUnavailable, "", time.Second},
		"rate-limited nonsense":       {fakestripe.Failure{Status: 429, RetryAfter: "soon"}, lookup.ErrUnavailable, "", time.Second},
		"rate-limited before now":     {fakestripe.Failure{Status: 429, RetryAfter: "-5"}, lookup.ErrUnavailable, "", time.Second},
		"limited by a proxy":          {fakestripe.Failure{Status: 429, Body: "<html>slow down, grace.hopper@example.com</html>"}, lookup.ErrUnavailable, "", time.Second},
		"down":                        {fakestripe.Failure{Status: 500}, lookup.ErrUnavailable, "it has trouble of its own (HTTP 500", 0},
		"down for maintenance":        {fakestripe.Failure{Status: 503, RetryAfter: "60"}, lookup.ErrUnavailable, "", time.Minute},
		"behind a broken proxy":       {fakestripe.Failure{Status: 502, Body: "<html>grace.hopper@example.com</html>"}, lookup.ErrUnavailable, "", 0},
		"conflict":                    {fakestripe.Failure{Status: 409}, lookup.ErrUnavailable, "", 0},
		"a dependency failed":         {fakestripe.Failure{Status: 424}, lookup.ErrUnavailable, "", 0},
		"captive portal":              {fakestripe.Failure{Status: 200, Body: "<html>log in, grace.hopper@example.com</html>"}, lookup.ErrUnavailable, "the answer broke off, or is not Stripe's", 0},
		"a list":                      {fakestripe.Failure{Status: 200, Body: "[]"}, lookup.ErrUnavailable, "", 0},
		"half an answer":              {fakestripe.Failure{Status: 200, Body: `{"id":"cs_test_1","customer_email":"grace.hopper@exam`}, lookup.ErrUnavailable, "", 0},
		"unauthorized without a body": {fakestripe.Failure{Status: 401, Body: " "}, lookup.ErrRefused, "STRIPE_API_KEY is wrong, revoked or expired (HTTP 401", 0},
		"forbidden without a reason":  {fakestripe.Failure{Status: 403, Body: `{"error":{"type":"invalid_request_error"}}`}, lookup.ErrRefused, "it lacks a permission, or this machine's address", 0},
		"not Stripe's address":        {fakestripe.Failure{Status: 404, Body: "404 page not found"}, lookup.ErrUnexpected, "is STRIPE_API_URL right?", 0},
		"bad request":                 {fakestripe.Failure{Status: 400, Body: `{"error":{"type":"invalid_request_error","code":"parameter_unknown","message":"grace.hopper@example.com"}}`}, lookup.ErrUnexpected, "not understood: parameter_unknown", 0},
		"a code that is none":         {fakestripe.Failure{Status: 400, Body: `{"error":{"type":"x","code":"to grace.hopper@example.com"}}`}, lookup.ErrUnexpected, "no code", 0},
		"payment required":            {fakestripe.Failure{Status: 402}, lookup.ErrUnexpected, "", 0},
		"elsewhere":                   {fakestripe.Failure{Status: 302, Body: "{}"}, lookup.ErrUnexpected, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fakestripe.New(t)
			s.Key = secretKey
			s.Add("", session("cs_test_1", "complete", "paid", ""))
			ask := client(t, s, at(&clock{unix(fakestripe.SessionMade)}), func(s *lookup.Settings, _ *lookup.Options) { s.Key = secretKey })
			s.FailWith(1, c.failure)
			a, err := ask.Session(t.Context(), "", "cs_test_1")
			if !errors.Is(err, c.kind) || len(a.Facts) != 0 {
				t.Fatalf("answered %+v, %v; want %v", a, err, c.kind)
			}
			e := failure(t, err)
			if !strings.Contains(err.Error(), c.says) || e.Status != c.failure.Status || e.RetryAfter != c.wait || !strings.HasPrefix(e.RequestID, "req_") {
				t.Errorf("got %q, %+v; want %q and to wait %s", err, e, c.says, c.wait)
			}
			keepsSecrets(t, err)
		})
	}
}

func TestARefusalSaysWhoIsToDoWhat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key, account string
		says         string
	}{
		"wrong key":             {"rk_test_zyxwvutsrqponmlkjihgfedcba", "", "a charge: refused by Stripe: STRIPE_API_KEY is wrong, revoked or expired (HTTP 401, req_"},
		"permission missing":    {secretKey, "", "a charge: refused by Stripe: STRIPE_API_KEY lacks the permission rak_charge_read (HTTP 403, req_"},
		"account not connected": {secretKey, "acct_9", "a charge: refused by Stripe: STRIPE_API_KEY has no access to the connected account acct_9 (HTTP 403, req_"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fakestripe.New(t)
			s.Key = secretKey
			s.Forbid("/v1/charges", "rak_charge_read")
			ask := client(t, s, func(s *lookup.Settings, _ *lookup.Options) { s.Key = c.key })
			_, err := ask.Locate(t.Context(), c.account, "ch_1", "")
			if !errors.Is(err, lookup.ErrRefused) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			keepsSecrets(t, err)
		})
	}
}

func TestOutOfReach(t *testing.T) {
	t.Parallel()
	closed := listen(t)
	_ = closed.Close()
	hangUp := listen(t)
	go func() {
		for {
			conn, err := hangUp.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = hangUp.Close() })
	strangers := httptest.NewUnstartedServer(http.NotFoundHandler())
	strangers.Config.ErrorLog = log.New(io.Discard, "", 0)
	strangers.StartTLS()
	t.Cleanup(strangers.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)

	for name, c := range map[string]struct{ url, says string }{
		"nobody listens":       {"http://" + closed.Addr().String(), "no connection: dial tcp"},
		"hangs up":             {"http://" + hangUp.Addr().String(), "the connection broke"},
		"a stranger's":         {strangers.URL, "certificate"},
		"not TLS where it was": {strings.Replace(plain.URL, "http", "https", 1), "the connection broke"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask, err := lookup.New(patient(c.url), lookup.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(ask.Close)
			_, err = ask.Session(t.Context(), "", "cs_test_1")
			if !errors.Is(err, lookup.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want ErrUnavailable: %s", err, c.says)
			}
		})
	}
}

func TestAHostThatIsNotThere(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]bool{"unknown": false, "nobody knows": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := &url.Error{Op: "Get", URL: "https://api.stripe.com/", Err: &net.DNSError{Err: "no such host", Name: "api.stripe.com", IsTimeout: timeout}}
			if got := lookup.Unreachable(err); got != "the host of STRIPE_API_URL cannot be found" {
				t.Errorf("says %q", got)
			}
		})
	}
}

func TestAnAnswerThatTakesTooLong(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Hold()
	ask := client(t, s, func(s *lookup.Settings, _ *lookup.Options) { s.Timeout = 50 * time.Millisecond })
	_, err := ask.Session(t.Context(), "", "cs_test_1")
	if !errors.Is(err, lookup.ErrUnavailable) || !strings.Contains(err.Error(), "no answer within STRIPE_API_TIMEOUT") {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestWhoAsksMayGiveUp(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Hold()
	ask := client(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := ask.Session(ctx, "", "cs_test_1")
		done <- err
	}()
	s.AwaitInHand(1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, lookup.ErrUnavailable) {
		t.Errorf("got %v, want that the context was canceled", err)
	}
	if _, err := ask.Session(ctx, "", "cs_test_1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context was canceled", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := ask.Session(ctx, "", "cs_test_1"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, lookup.ErrUnavailable) {
		t.Errorf("got %v, want that the deadline passed", err)
	}
}

func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.FailWith(1, fakestripe.Failure{Status: 200, Body: `{"id":"cs_test_1","object":"checkout.session","x":"` + strings.Repeat("x", 17<<20) + `"}`})
	if _, err := client(t, s).Session(t.Context(), "", "cs_test_1"); !errors.Is(err, lookup.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func failure(t *testing.T, err error) *lookup.Error {
	t.Helper()
	var e *lookup.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *lookup.Error", err)
	}
	return e
}

// keepsSecrets looks for what Stripe's answers and the requests hold and errors must not.
func keepsSecrets(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{secretKey[:12], secretKey[len(secretKey)-4:], "dcba", "****", "@", "hopper", "<html", "{"} {
		if strings.Contains(strings.ToLower(err.Error()), secret) {
			t.Errorf("%q holds %q", err, secret)
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
