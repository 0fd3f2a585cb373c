package stream

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/waittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait.
const patience = 30 * time.Second

func startNATS(t *testing.T, o localnats.Options) *localnats.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := localnats.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// connect connects as Connect does and returns what it logs.
func connect(t *testing.T, url string, more ...nats.Option) (*nats.Conn, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	conn, err := Connect(url, "tests", zap.New(core), more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn, logs
}

func jetStream(t *testing.T) jetstream.JetStream {
	t.Helper()
	conn, _ := connect(t, startNATS(t, localnats.Options{Lazy: true}).URL())
	return jetStreamOf(t, conn)
}

func jetStreamOf(t *testing.T, conn *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// withUsers gives a server users with passwords of the same name, each with what it may publish.
func withUsers(may map[string][]string) func(*server.Options) {
	return func(o *server.Options) {
		for name, subjects := range may {
			o.Users = append(o.Users, &server.User{Username: name, Password: name, Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: subjects},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_" + name + ".>"}},
			}})
		}
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	waittest.Until(t, patience, what, waittest.Holds(condition))
}
