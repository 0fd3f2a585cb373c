package localnats

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func jetStream(t *testing.T, s *Server) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestStart_SyncsEveryWriteAndListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, lazy := range []bool{false, true} {
		s := start(t, Options{Dir: t.TempDir(), Lazy: lazy})
		if got := s.nats.JetStreamConfig(); got.SyncAlways == lazy {
			t.Errorf("lazy %t: SyncAlways is %t", lazy, got.SyncAlways)
		}
		if address := s.nats.Addr().(*net.TCPAddr); !address.IP.IsLoopback() || !strings.HasSuffix(s.URL(), ":"+strconv.Itoa(address.Port)) {
			t.Errorf("it listens on %s, and says %s", address, s.URL())
		}
	}
}

func TestStart_RefusesASecondServerOnTheSameFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "by it")
	first := start(t, Options{Dir: dir})
	if _, err := Start(Options{Dir: dir}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("%v", err)
	}
	first.Stop()
	first.Stop() // does nothing
	start(t, Options{Dir: dir})
}

func TestStop_KeepsTheDataForTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, Options{Dir: dir})
	js := jetStream(t, first)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept"}}); err != nil {
		t.Fatal(err)
	}
	large := make([]byte, 1<<20+1) // the largest webhook and a little
	if _, err := js.Publish(t.Context(), "kept", large); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	kept, err := jetStream(t, start(t, Options{Dir: dir})).Stream(t.Context(), "KEPT")
	if err != nil {
		t.Fatal(err)
	}
	if message, err := kept.GetMsg(t.Context(), 1); err != nil || len(message.Data) != len(large) {
		t.Errorf("%v", err)
	}
}

func TestStart_SaysAtOnceWhyItCannot(t *testing.T) {
	t.Parallel()
	blocked := t.TempDir()
	if err := os.WriteFile(filepath.Join(blocked, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for name, test := range map[string]struct {
		options Options
		want    string
	}{
		"its store is no folder": {Options{Dir: blocked}, "storage directory is not a directory"},
		"its port is taken":      {Options{Dir: t.TempDir(), Port: taken.Addr().(*net.TCPAddr).Port}, "address already in use"},
		"its folder is a file":   {Options{Dir: filepath.Join(blocked, "jetstream")}, "not a directory"},
		"its options are wrong":  {Options{Dir: t.TempDir(), Adjust: func(o *server.Options) { o.MaxPayload = 1 << 30 }}, "max_payload"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := Start(test.options); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v, want %q", err, test.want)
			}
			if _, err := Start(test.options); errors.Is(err, ErrInUse) {
				t.Error("the folder stays locked")
			}
		})
	}
}
