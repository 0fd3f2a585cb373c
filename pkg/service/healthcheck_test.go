package service

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// adminPort is one that gives an answer to /readyz, and 404 to all else.
func adminPort(t *testing.T, status int, text string) (address string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestHealthcheck_ExitsWithZeroWhereTheServiceIsReady(t *testing.T) {
	t.Parallel()
	got := thing(t, []string{"ADMIN_ADDR=" + adminPort(t, http.StatusOK, "ready\n")}, "--healthcheck")
	if got.code != ExitOK || got.stdout != "ready\n" || got.stderr != "" {
		t.Errorf("%+v", got)
	}
}

func TestHealthcheck_AsksOnLoopbackWhereTheServiceListensOnAllAddresses(t *testing.T) {
	t.Parallel()
	_, port, err := net.SplitHostPort(adminPort(t, http.StatusOK, "ready"))
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{":" + port, "0.0.0.0:" + port, "[::]:" + port} {
		if got := thing(t, []string{"ADMIN_ADDR=" + address}, "--healthcheck"); got.code != ExitOK {
			t.Errorf("%s: %+v", address, got)
		}
	}
}

func TestHealthcheck_ExitsWithOneAndSaysWhyWhereItIsNot(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for name, test := range map[string]struct {
		env  []string
		want string
	}{
		"not ready":           {[]string{"ADMIN_ADDR=" + adminPort(t, http.StatusServiceUnavailable, "[-] nats: away\n")}, "[-] nats: away"},
		"nobody there":        {[]string{"ADMIN_ADDR=" + nobody}, "connection refused"},
		"no answer":           {[]string{"ADMIN_ADDR=" + silent.Addr().String()}, "deadline exceeded"},
		"a port that is open": {[]string{"ADMIN_ADDR=127.0.0.1:0"}, "ADMIN_ADDR leaves the port to the system"},
		"no address":          {[]string{"ADMIN_ADDR=9090"}, "ADMIN_ADDR: address 9090: missing port"},
		"settings are wrong":  {[]string{"WAIT=soon"}, "WAIT is not a valid duration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := thing(t, test.env, "--healthcheck")
			if got.code != ExitFailed || got.stdout != "" || !strings.HasPrefix(got.stderr, "thing is not ready: ") || !strings.Contains(got.stderr, test.want) {
				t.Errorf("%+v, want %q", got, test.want)
			}
		})
	}
}
