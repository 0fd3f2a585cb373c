package worker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/stream"
)

func TestItIsToldHowFullTheStreamsAre(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.publish(r.stripe.Payment("reg-1").Completed())
	registry := prometheus.NewRegistry()
	s := newStreams(registry, r.js)
	if err := s.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, messages := range map[string]float64{stream.Events: 1, stream.DeadLetters: 0} {
		size, limit := testutil.ToFloat64(s.bytes.WithLabelValues(name)), testutil.ToFloat64(s.limit.WithLabelValues(name))
		if got := testutil.ToFloat64(s.messages.WithLabelValues(name)); got != messages || (size > 0) != (messages > 0) || limit <= size {
			t.Errorf("%s holds %v messages in %v of %v bytes", name, got, size, limit)
		}
	}
	r.nats.Stop()
	if err := s.look(t.Context()); err == nil {
		t.Error("no error without NATS")
	}
	if n, err := testutil.GatherAndCount(registry); err != nil || n != 0 {
		t.Errorf("%d old figures are still told (%v)", n, err)
	}
}

// Workers that are newer than the permissions go on without these figures, and hardly trouble the server's log.
func TestAWorkerThatMayNotAskForTheStreamsAsksSeldom(t *testing.T) {
	t.Parallel()
	guarded, err := localnats.Start(localnats.Options{Dir: t.TempDir(), Adjust: func(o *server.Options) {
		o.Users = []*server.User{{Username: "worker", Password: "right", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"$JS.API.CONSUMER.INFO.STRIPE_EVENTS.worker"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_worker.>"}},
		}}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guarded.Stop)
	conn, err := stream.Connect(strings.Replace(guarded.URL(), "nats://", "nats://worker:right@", 1), "worker", nopLog())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	s := newStreams(prometheus.NewRegistry(), js)
	if err := s.look(t.Context()); !errors.Is(err, errMayNotAsk) {
		t.Fatalf("it ended with %v", err)
	}
	asked := conn.Stats().OutMsgs
	if err := s.look(t.Context()); !errors.Is(err, errMayNotAsk) || conn.Stats().OutMsgs != asked {
		t.Errorf("it asked again at once (%v)", err)
	}
	if wait := time.Until(s.quietUntil); wait < refusedPause/2 || wait > refusedPause {
		t.Errorf("it asks again in %s", wait)
	}
}
