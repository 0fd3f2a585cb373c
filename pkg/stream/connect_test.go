package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/localnats"
)

// freePort is a port on which nothing listens just now.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func TestConnect_FailsAPublishDuringAnOutageAtOnceAndNeverStoresItLater(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	first := startNATS(t, localnats.Options{Dir: dir, Port: port})
	conn, logs := connect(t, first.URL())
	js := jetStreamOf(t, conn)
	setUp(t, js, testConfig())
	publish(t, js, "before")
	first.Stop()
	eventually(t, "the loss is noticed", func() bool { return !conn.IsConnected() })
	begun := time.Now()
	if _, err := js.Publish(t.Context(), Subject("charge.refunded"), []byte("during")); err == nil || time.Since(begun) > time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
	startNATS(t, localnats.Options{Dir: dir, Port: port})
	eventually(t, "it comes back by itself", conn.IsConnected)
	publish(t, js, "after")
	s, err := js.Stream(t.Context(), Events)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.CachedInfo().State.Msgs; got != 2 {
		t.Errorf("%d messages are stored, want those before and after", got)
	}
	for _, message := range []string{"NATS connection lost", "NATS connection restored"} {
		eventually(t, message+" is logged", func() bool { return logs.FilterMessage(message).Len() == 1 })
	}
}

func TestConnect_StartsWithoutAServerAndComesGood(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	conn, logs := connect(t, "nats://me:secret@127.0.0.1:"+strconv.Itoa(port))
	warned := logs.FilterMessage("NATS is not reached yet, it is tried again and again").All()
	if conn.IsConnected() || len(warned) != 1 || strings.Contains(warned[0].ContextMap()["servers"].([]any)[0].(string), "secret") {
		t.Errorf("%v", warned)
	}
	startNATS(t, localnats.Options{Port: port})
	eventually(t, "it is connected", conn.IsConnected)
}

func TestConnect_ChoosesTheInboxByTheUser(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) {
		o.Users = []*server.User{{Username: "anyone", Password: "p"}}
		o.NoAuthUser = "anyone"
	}})
	address := strings.TrimPrefix(s.URL(), "nats://")
	for url, want := range map[string]string{
		s.URL():                      "_INBOX_tests.",
		"nats://anyone:p@" + address: "_INBOX_anyone.",
		" nats://anyone:p@" + address + ",nats://other:q@" + address: "_INBOX_anyone.",
	} {
		conn, _ := connect(t, url)
		if got := conn.NewRespInbox(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: inbox %s, want %s", url, got, want)
		}
	}
}

func TestConnect_NeverPutsATokenIntoASubject(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) { o.Authorization = "s3cret-token" }})
	conn, _ := connect(t, strings.Replace(s.URL(), "//", "//s3cret-token@", 1))
	if got := conn.NewRespInbox(); !conn.IsConnected() || !strings.HasPrefix(got, "_INBOX_tests.") {
		t.Errorf("inbox %s", got)
	}
}

func TestConnect_LogsARefusedPermission(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: withUsers(map[string][]string{"ingester": {"stripe.events.>"}})})
	conn, logs := connect(t, strings.Replace(s.URL(), "//", "//ingester:ingester@", 1))
	if err := conn.Publish("elsewhere", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refusal is logged", func() bool {
		entries := logs.FilterMessage("NATS reported an error").All()
		return len(entries) == 1 && strings.Contains(strings.ToLower(entries[0].ContextMap()["error"].(string)), `permissions violation for publish to "elsewhere"`)
	})
}

func TestConnect_NeverRepeatsThePasswordOfAWrongURL(t *testing.T) {
	t.Parallel()
	_, err := Connect("nats://me:hunter2%zz@host", "tests", zap.NewNop())
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "NATS_URL") {
		t.Errorf("%v", err)
	}
}

func TestDial_SaysWhatItDidNotReachOnceItsTimeIsOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	address := "127.0.0.1:" + strconv.Itoa(freePort(t))
	_, err := Dial(ctx, "nats://me:hunter2@"+address+", "+address, "tests", zap.NewNop())
	if err == nil || err.Error() != "reach NATS at "+address+", "+address+": nats: no servers available for connection" {
		t.Errorf("%v", err)
	}
}

func TestDial_WaitsForAServerThatIsStarting(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	dialed := make(chan error, 1)
	go func() {
		conn, err := Dial(t.Context(), "127.0.0.1:"+strconv.Itoa(port), "tests", zap.NewNop())
		conn.Close()
		dialed <- err
	}()
	startNATS(t, localnats.Options{Port: port})
	if err := <-dialed; err != nil {
		t.Error(err)
	}
}

func TestDial_TakesARefusalForAnAnswer(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: withUsers(map[string][]string{"ingester": {">"}})})
	_, err := Dial(t.Context(), strings.Replace(s.URL(), "//", "//ingester:hunter2@", 1), "tests", zap.NewNop())
	if !errors.Is(err, nats.ErrAuthorization) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

func TestConnect_TellsWhyNATSIsNotReachedOnceAnOutage(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	first := startNATS(t, localnats.Options{Dir: dir, Port: port})
	var tries atomic.Int64
	conn, logs := connect(t, first.URL(), nats.CustomReconnectDelay(func(int) time.Duration {
		tries.Add(1)
		return 10 * time.Millisecond
	}))
	told := func() int { return logs.FilterMessage("NATS is not reached").Len() }
	for outage := range 2 {
		before := tries.Load()
		first.Stop()
		eventually(t, "several tries fail", func() bool { return tries.Load() > before+5 })
		eventually(t, "the reason is told", func() bool { return told() > outage })
		first = startNATS(t, localnats.Options{Dir: dir, Port: port})
		eventually(t, "it comes back", conn.IsConnected)
		eventually(t, "that is told", func() bool { return logs.FilterMessage("NATS connection restored").Len() == outage+1 })
	}
	refused := 0
	for _, entry := range logs.FilterMessage("NATS is not reached").All() {
		if strings.Contains(fmt.Sprint(entry.ContextMap()), "refused") {
			refused++
		}
	}
	if refused != 2 {
		t.Errorf("%d times it was told that the connection was refused, in two outages", refused)
	}
}
