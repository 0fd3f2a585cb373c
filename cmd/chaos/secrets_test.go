//go:build linux

package chaos

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// Secrets of the services beside the webhooks'.
const (
	natsPassword = "n4ts-passw0rd-0d61"
	mailPassword = "m4il-passw0rd-71f3"
	stripeKey    = "rk_test_51ChaosKey9c2e"
)

// Nothing that a service prints, answers or shows of itself holds a secret or a person: its log at its most talkative,
// with everything failing that can; its probes and metrics; its arguments; its dump when it is told to quit.
func TestNoOutputTellsASecretOrAPerson(t *testing.T) {
	t.Parallel()
	stripe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // says more than Stripe ever would
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":{"type":"invalid_request_error","message":"Invalid API Key provided: %s"}}`, r.Header.Get("Authorization"))
	}))
	t.Cleanup(stripe.Close)
	mails := newMailServer(t, nil)
	mails.behave(manner{greet: func() error { return &smtp.SMTPError{Code: 535, Message: "no " + mailPassword + " for you"} }})
	r := newRun(t, scenario{poisoned: 20, shape: shape{
		natsUser: natsPassword,
		env: map[string]string{
			"LOG_LEVEL": "debug", "STRIPE_API_KEY": stripeKey, "STRIPE_API_URL": stripe.URL,
			"SMTP_URL": "smtp://robot:" + mailPassword + "@" + mails.address + "?tls=none",
		},
	}})
	var shown bytes.Buffer
	look := func() {
		for _, s := range r.services() {
			admin := s.admin()
			for _, page := range []string{"/readyz?verbose", "/metrics", "/livez", "/none"} {
				shown.WriteString(fetch(t, "http://"+admin+page))
			}
			arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.current().cmd.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			shown.Write(arguments)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { r.sender.run(ctx, 40) })
	pause(t, 3*time.Second)
	look()
	for _, c := range []condition{{cut: true}, {}} {
		for _, s := range r.services() {
			for _, l := range append(s.nats, s.postgres) {
				if l != nil {
					l.set(c)
				}
			}
		}
		pause(t, 2*time.Second)
		look()
	}
	stop()
	sending.Wait()
	for _, s := range r.services() {
		s.signal(syscall.SIGQUIT)
		if code := s.code(); code == 0 || !bytes.Contains(s.output(), []byte("goroutine ")) {
			t.Errorf("%s ended with %d and without a dump", s.name, code)
		}
	}

	database, err := url.Parse(r.postgres.url("guichet", r.postgres.clean))
	if err != nil {
		t.Fatal(err)
	}
	databasePassword, _ := database.User.Password()
	r.discreet()
	for _, s := range r.services() {
		shown.Write(s.output())
	}
	for name, secret := range map[string]string{
		"NATS's password": natsPassword, "PostgreSQL's password": databasePassword, "SMTP's password": mailPassword, "Stripe's key": stripeKey,
		"a signing secret": oldSecret, "the new signing secret": newSecret, "a name": personalName, "an address": "@participants.example.org",
	} {
		if at := bytes.Index(shown.Bytes(), []byte(secret)); at >= 0 {
			t.Errorf("%s is shown: …%s…", name, shown.Bytes()[max(0, at-300):min(shown.Len(), at+100)])
		}
	}
	for _, want := range []string{"guichet_ingest_requests_total", "guichet_worker_events_total", "NATS connection lost", "Mail not sent yet"} {
		if !strings.Contains(shown.String(), want) { // else nothing was looked at
			t.Errorf("%q is not in what was looked at", want)
		}
	}
}

func fetch(t testing.TB, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
