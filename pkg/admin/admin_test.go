package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server with the checks; the test's end wants a clean end of it.
func serve(t *testing.T, checks ...Check) *Server {
	t.Helper()
	metrics := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "things_total", Help: "Things."})
	metrics.MustRegister(counter)
	counter.Inc()
	s, err := Listen("127.0.0.1:0", metrics, checks...)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends a request on a connection of its own.
func ask(t *testing.T, s *Server, method, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func fine(name string) Check { return Check{name, func(context.Context) error { return nil }} }

func broken(name, why string) Check {
	return Check{name, func(context.Context) error { return errors.New(why) }}
}

func TestPaths_AnswerWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	s := serve(t, fine("nats"), fine("postgresql"))
	for _, test := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/livez", 200, "ok\n"},
		{"HEAD", "/livez", 200, ""},
		{"GET", "/healthz", 200, "ok\n"},
		{"GET", "/readyz", 200, "ready\n"},
		{"GET", "/readyz?verbose", 200, "[+] nats\n[+] postgresql\nready\n"},
		{"POST", "/livez", 405, "Method Not Allowed\n"},
		{"GET", "/", 404, "404 page not found\n"},
	} {
		if code, body := ask(t, s, test.method, test.path); code != test.code || body != test.body {
			t.Errorf("%s %s: %d %q, want %d %q", test.method, test.path, code, body, test.code, test.body)
		}
	}
	if code, body := ask(t, s, "GET", "/metrics"); code != 200 || !strings.Contains(body, "\nthings_total 1\n") {
		t.Errorf("/metrics: %d %q", code, body)
	}
}

func TestReadyz_NamesWhatIsMissingWhileItIsAliveAllTheSame(t *testing.T) {
	t.Parallel()
	s := serve(t, fine("nats"), broken("postgresql", "not reached yet"))
	if code, body := ask(t, s, "GET", "/readyz"); code != 503 || body != "[-] postgresql: not reached yet\n" {
		t.Errorf("%d %q", code, body)
	}
	if code, body := ask(t, s, "GET", "/readyz?verbose"); code != 503 || body != "[+] nats\n[-] postgresql: not reached yet\n" {
		t.Errorf("verbose: %d %q", code, body)
	}
	if code, _ := ask(t, s, "GET", "/livez"); code != 200 {
		t.Errorf("/livez: %d", code)
	}
}

func TestReadyz_FailsOnceItDrains(t *testing.T) {
	t.Parallel()
	s := serve(t, fine("nats"))
	s.Drain()
	if code, body := ask(t, s, "GET", "/readyz"); code != 503 || body != "[-] shutting down\n" {
		t.Errorf("%d %q", code, body)
	}
	if code, _ := ask(t, s, "GET", "/livez"); code != 200 {
		t.Errorf("/livez: %d", code)
	}
}

func TestReadyz_BoundsItsChecks(t *testing.T) {
	t.Parallel()
	s := serve(t, Check{"slow", func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			return errors.New("it may take for ever")
		}
		return nil
	}})
	if code, body := ask(t, s, "GET", "/readyz"); code != 200 {
		t.Errorf("%d %q", code, body)
	}
}

func TestListen_SaysThatItsAddressIsTaken(t *testing.T) {
	t.Parallel()
	first := serve(t)
	_, err := Listen(first.Addr(), prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), "ADMIN_ADDR") || !strings.Contains(err.Error(), first.Addr()) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v", err)
	}
}

func TestClose_FreesTheAddressOfAServerThatNeverServed(t *testing.T) {
	t.Parallel()
	first, err := Listen("127.0.0.1:0", prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	second, err := Listen(first.Addr(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	_ = second.Close()
}
