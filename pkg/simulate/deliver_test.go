package simulate_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/educareschool/guichet/pkg/simulate"
)

func TestPost_DeliversWhatVerifiesAndReturnsTheAnswer(t *testing.T) {
	t.Parallel()
	const secret = "whsec_test"
	e := at(20, noon()).Payment("reg-1").Completed()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || string(body) != string(e.Body) {
			t.Errorf("%s of %d bytes (%v), want the event", r.Method, len(body), err)
		}
		if err := webhook.ValidatePayload(body, r.Header.Get(simulate.SignatureHeader), secret); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "later")
	}))
	defer server.Close()
	status, body, err := simulate.Post(t.Context(), server.Client(), server.URL, secret, e)
	if status != http.StatusServiceUnavailable || string(body) != "later" || err != nil {
		t.Errorf("got %d %q %v", status, body, err)
	}
}

func TestPost_SignsNothingWithoutASecretAndFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, signed := r.Header[simulate.SignatureHeader]; signed {
			t.Error("it is signed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	status, _, err := simulate.Post(t.Context(), server.Client(), server.URL, "", at(21, noon()).Thin())
	if status != http.StatusTemporaryRedirect || err != nil {
		t.Errorf("got %d %v", status, err)
	}
}

func TestPost_FailsWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, _, err := simulate.Post(t.Context(), http.DefaultClient, server.URL, "whsec_x", at(22, noon()).Thin())
	var unreachable *url.Error
	if !errors.As(err, &unreachable) {
		t.Errorf("got %v", err)
	}
}

func TestSign_IsStripesHeader(t *testing.T) {
	t.Parallel()
	// printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec_x
	const want = "t=1700000000,v1=be8cb8325f2202445260a855532f967e30ad2a9394ce28da66ee02880ddcb661"
	got := simulate.Sign([]byte("{}"), time.Unix(1_700_000_000, 0), "whsec_x")
	if got != want {
		t.Errorf("got %s", got)
	}
}
