package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/deadletter"
	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func streams(t *testing.T, adjust func(*server.Options), login string) (*localnats.Server, jetstream.JetStream) {
	t.Helper()
	s, err := localnats.Start(localnats.Options{Dir: t.TempDir(), Lazy: true, Adjust: adjust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	js := connect(t, s, login)
	config := stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 28, DuplicateWindow: time.Hour, Replicas: 1}
	if _, err := stream.Setup(t.Context(), js, config); err != nil {
		t.Fatal(err)
	}
	return s, js
}

// connect logs in as user:password, or as nobody.
func connect(t *testing.T, s *localnats.Server, login string) jetstream.JetStream {
	t.Helper()
	url := s.URL()
	if login != "" {
		url = strings.Replace(url, "nats://", "nats://"+login+"@", 1)
	}
	user, _, _ := strings.Cut(login, ":")
	conn, err := nats.Connect(url, nats.CustomInboxPrefix("_INBOX_"+user))
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

// bury stores a dead letter as the worker does, and returns its sequence.
func bury(t *testing.T, js jetstream.JetStream, id, eventType string) uint64 {
	t.Helper()
	m := nats.NewMsg(stream.DeadSubject(stream.Subject(eventType)))
	m.Data = fmt.Appendf(nil, " {\"id\": %q}\n", id)
	for name, value := range map[string]string{
		stream.HeaderEventID: id, stream.HeaderEventType: eventType, stream.HeaderReceivedAt: "2026-03-10T12:00:00.123Z", stream.HeaderTraceparent: "00-1",
		stream.HeaderDeadReason: "undecodable event", stream.HeaderDeadSequence: "7", stream.HeaderDeadDeliveries: "5", stream.HeaderDeadAt: "2026-03-10T12:01:00.000Z",
	} {
		m.Header.Set(name, value)
	}
	ack, err := js.PublishMsg(t.Context(), m, jetstream.WithMsgID(fmt.Sprintf("%s#%d", id, time.Now().UnixNano())))
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

func get(t *testing.T, js jetstream.JetStream, sequence uint64) deadletter.Letter {
	t.Helper()
	l, err := deadletter.Get(t.Context(), js, sequence)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func held(t *testing.T, a *archive.Archive) uint64 {
	t.Helper()
	info, err := a.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func TestADeadLetterSaysWhyAndWhen(t *testing.T) {
	t.Parallel()
	_, js := streams(t, nil, "")
	l := get(t, js, bury(t, js, "evt_1", "charge.refunded"))
	if l.EventID() != "evt_1" || l.EventType() != "charge.refunded" || l.Reason != "undecodable event" || l.Event != 7 || l.Deliveries != 5 ||
		!l.At.Equal(time.Date(2026, 3, 10, 12, 1, 0, 0, time.UTC)) {
		t.Errorf("%+v", l)
	}
}

func TestARedrivenEventIsAsItWasWhenItCame(t *testing.T) {
	t.Parallel()
	_, js := streams(t, nil, "")
	sequence := bury(t, js, "evt_1", "charge.refunded")
	if err := deadletter.Redrive(t.Context(), js, get(t, js, sequence)); err != nil {
		t.Fatal(err)
	}
	m, err := archive.Events(js).Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "stripe.events.charge.refunded" || string(m.Body) != " {\"id\": \"evt_1\"}\n" {
		t.Errorf("%s %q", m.Subject, m.Body)
	}
	id := m.Header.Get(stream.HeaderMsgID)
	for name := range m.Header {
		if strings.HasPrefix(name, "Nats-") { // JetStream's own
			m.Header.Del(name)
		}
	}
	want := nats.Header{
		stream.HeaderEventID: {"evt_1"}, stream.HeaderEventType: {"charge.refunded"},
		stream.HeaderReceivedAt: {"2026-03-10T12:00:00.123Z"}, stream.HeaderTraceparent: {"00-1"},
	}
	if !strings.HasPrefix(id, "evt_1#redrive-1-") || fmt.Sprint(m.Header) != fmt.Sprint(want) {
		t.Errorf("id %q, headers %v", id, m.Header)
	}
	if n := held(t, archive.DeadLetters(js)); n != 0 {
		t.Errorf("%d dead letters are left", n)
	}
}

func TestARedriveThatDiedBeforeItDeletedTheLetterStoresTheEventOnce(t *testing.T) {
	t.Parallel()
	_, js := streams(t, nil, "")
	l := get(t, js, bury(t, js, "evt_1", "charge.refunded"))
	for range 3 {
		if err := deadletter.Redrive(t.Context(), js, l); err != nil { // the letter is as it was read before
			t.Fatal(err)
		}
	}
	if n := held(t, archive.Events(js)); n != 1 {
		t.Errorf("stored %d times", n)
	}
	again := get(t, js, bury(t, js, "evt_1", "charge.refunded")) // it died once more
	if err := deadletter.Redrive(t.Context(), js, again); err != nil {
		t.Fatal(err)
	}
	if n := held(t, archive.Events(js)); n != 2 {
		t.Errorf("stored %d times after a second death", n)
	}
}

func TestWithoutTheRightToPublishTheLetterStays(t *testing.T) {
	t.Parallel()
	s, js := streams(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "a"},
			{Username: "operator", Password: "o", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"stripe.events.>"}}}},
		}
	}, "admin:a")
	l := get(t, js, bury(t, js, "evt_1", "charge.refunded"))
	err := deadletter.Redrive(t.Context(), connect(t, s, "operator:o"), l)
	if !errors.Is(err, stream.ErrMayNotPublish) {
		t.Errorf("got %v", err)
	}
	if n := held(t, archive.DeadLetters(js)); n != 1 {
		t.Errorf("%d dead letters are left", n)
	}
}

func TestASelectionFindsTheLettersThatAreMeant(t *testing.T) {
	t.Parallel()
	_, js := streams(t, nil, "")
	bury(t, js, "evt_1", "charge.refunded")
	bury(t, js, "evt_2", "checkout.session.completed")
	bury(t, js, "evt_1", "charge.refunded")
	bury(t, js, "evt_3", "checkout.session.expired")
	for name, test := range map[string]struct {
		selection deadletter.Selection
		want      string
	}{
		"all":                         {deadletter.Selection{All: true}, "1 2 3 4"},
		"of a type":                   {deadletter.Selection{Types: []string{"charge.refunded"}}, "1 3"},
		"of types":                    {deadletter.Selection{Types: []string{"checkout.session.*"}}, "2 4"},
		"of a type that has none":     {deadletter.Selection{Types: []string{"ping"}}, ""},
		"of an event that died twice": {deadletter.Selection{Names: []string{"evt_1"}}, "1 3"},
		"named one way and another":   {deadletter.Selection{Names: []string{"4", "evt_1", "3", "evt_2"}}, "1 2 3 4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := deadletter.Select(t.Context(), js, test.selection)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range found {
				got = append(got, fmt.Sprint(r.Sequence))
				if r.EventID == "" || r.Type == "" || r.Reason != "undecodable event" {
					t.Errorf("%+v", r)
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("found %v, want %s", got, test.want)
			}
		})
	}
}

func TestASelectionThatMeansNothingIsAnError(t *testing.T) {
	t.Parallel()
	_, js := streams(t, nil, "")
	bury(t, js, "evt_1", "charge.refunded")
	for name, test := range map[string]struct {
		selection deadletter.Selection
		want      string
	}{
		"nothing":           {deadletter.Selection{}, "--all"},
		"names and all":     {deadletter.Selection{Names: []string{"1"}, All: true}, "--all"},
		"names and types":   {deadletter.Selection{Names: []string{"1"}, Types: []string{"ping"}}, "--all"},
		"no type":           {deadletter.Selection{Types: []string{"charge refunded"}}, "no event type"},
		"no such sequence":  {deadletter.Selection{Names: []string{"1", "2"}}, "no dead letter has the sequence 2"},
		"no letter of that": {deadletter.Selection{Names: []string{"evt_1", "evt_2"}}, "no dead letter is of the event evt_2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if found, err := deadletter.Select(t.Context(), js, test.selection); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("found %v, %v; want %q", found, err, test.want)
			}
		})
	}
}

func TestWithoutNATSASelectionFailsInTime(t *testing.T) {
	t.Parallel()
	s, js := streams(t, nil, "")
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := deadletter.Select(ctx, js, deadletter.Selection{All: true}); err == nil {
		t.Error("found something without NATS")
	}
}
