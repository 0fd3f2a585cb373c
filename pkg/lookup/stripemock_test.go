package lookup_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// stripeMock is Stripe's own mock of its API, which refuses requests that its specification does not allow.
const stripeMock = "github.com/stripe/stripe-mock@v0.203.0"

// stripe-mock knows no state: every id is there, every session is open, and no metadata are kept.
func TestTheWireFormatIsStripes(t *testing.T) {
	t.Parallel()
	ask, err := lookup.New(patient(startStripeMock(t)), lookup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ask.Close)
	a, err := ask.Session(t.Context(), "", "cs_test_1")
	if err != nil || a.Outcome != lookup.Open || a.Expires.IsZero() {
		t.Errorf("session: %+v, %v", a, err)
	}
	if !strings.HasPrefix(a.Intent, "pi_") || !strings.HasPrefix(a.Charge, "ch_") {
		t.Errorf("the session's intent and its charge were not expanded: %+v", a)
	}
	p, err := ask.Locate(t.Context(), "", "ch_1", "pi_1")
	if err != nil || p.Registration != "" || p.Intent != "pi_1" || p.Charge != "ch_1" || !strings.HasPrefix(p.Session, "cs_") {
		t.Errorf("charge and intent: %+v, %v", p, err)
	}
	p, err = ask.Locate(t.Context(), "acct_1", "ch_1", "")
	if err != nil || p.Charge != "ch_1" || !strings.HasPrefix(p.Intent, "pi_") || !strings.HasPrefix(p.Session, "cs_") {
		t.Errorf("charge of a connected account: %+v, %v", p, err)
	}
	var seen []string
	for _, q := range []lookup.EventQuery{
		{}, {Account: "acct_1", Types: stripeevent.Types(), Since: time.Now().Add(-time.Hour), Undelivered: true},
	} {
		err := ask.Events(t.Context(), q, func(body []byte) error {
			e, err := stripeevent.ReadEnvelope(body)
			seen = append(seen, e.ID)
			return err
		})
		if err != nil {
			t.Errorf("events: %v", err)
		}
	}
	if len(seen) != 2 || !strings.HasPrefix(seen[0], "evt_") {
		t.Errorf("events: %v", seen)
	}
	endpoints, err := ask.Endpoints(t.Context())
	if err != nil || len(endpoints) != 1 || !strings.HasPrefix(endpoints[0].ID, "we_") || endpoints[0].URL == "" || len(endpoints[0].Types) == 0 {
		t.Errorf("webhook endpoints: %+v, %v", endpoints, err)
	}
	if problems := ask.Access(t.Context()); len(problems) > 0 {
		t.Errorf("access: %v", problems)
	}
}

// What turns the pages of a list of events is not asked for by a mock whose lists have one.
func TestStripeKnowsTheParametersThatTurnPages(t *testing.T) {
	t.Parallel()
	url := startStripeMock(t)
	for parameter, want := range map[string]int{"starting_after": http.StatusOK, "ending_before": http.StatusOK, "standing_beside": http.StatusBadRequest} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/events?limit=100&"+parameter+"=evt_1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer sk_test_123")
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: HTTP %d", parameter, response.StatusCode)
		}
	}
}

// startStripeMock installs stripe-mock from the Go module proxy, runs it for the test and returns its address.
func startStripeMock(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	// Built as the Makefile builds, it shares the standard library with what that has built before.
	install := exec.CommandContext(t.Context(), "go", "install", "-trimpath", stripeMock)
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=", "CGO_ENABLED=0")
	install.Dir = bin // no module: its own requirements hold
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("stripe-mock is needed and cannot be installed (go install %s): %v\n%s", stripeMock, err, out)
	}
	output, in := io.Pipe()
	mock := exec.CommandContext(t.Context(), filepath.Join(bin, "stripe-mock"), "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0")
	mock.Stdout, mock.Stderr = in, in
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = in.CloseWithError(mock.Wait()) // killed at the end of the test
	}()
	address := make(chan string, 1)
	told := make(chan struct{})
	go func() {
		defer close(told)
		var said []string
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			said = append(said, lines.Text())
			if _, at, ok := strings.Cut(lines.Text(), "Listening for HTTP at address: "); ok {
				address <- "http://" + at
			}
		}
		select {
		case address <- "said only: " + strings.Join(said, "\n"):
		default:
		}
	}()
	t.Cleanup(func() {
		_ = mock.Process.Kill()
		<-ended
		<-told
	})
	at := <-address
	if !strings.HasPrefix(at, "http://") {
		t.Fatalf("stripe-mock did not start; it %s", at)
	}
	return at
}
