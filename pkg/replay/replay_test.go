package replay

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func TestAnEntryIsWhatTheWorkerReads(t *testing.T) {
	t.Parallel()
	m := archive.Message{
		Sequence: 7, Stored: time.Unix(1000, 0), Header: nats.Header{},
		Body: []byte(`{"id": "evt_1", "type": "customer.created", "created": 900, "livemode": true}`),
	}
	m.Header.Set(stream.HeaderEventID, "evt_1")
	m.Header.Set(stream.HeaderReceivedAt, "2026-03-10T12:00:00.123Z")
	e := Read(m, stripeevent.Filter{})
	if e.Err != nil || e.EventID != "evt_1" || e.Event.ID != "evt_1" || e.Sequence != 7 || e.Event.Sequence != 7 ||
		e.Event.ReceivedAt.Nanosecond() != 123e6 || e.Event.Ignored == "" || !e.Stored.Equal(m.Stored) {
		t.Errorf("got %+v", e)
	}
	m.Body = []byte(`{}`)
	if e := Read(m, stripeevent.Filter{}); !errors.Is(e.Err, stripeevent.ErrUndecodable) || e.EventID != "evt_1" {
		t.Errorf("got %+v", e)
	}
}

func TestWhatIsProcessedIsWhatTheConsumerSays(t *testing.T) {
	t.Parallel()
	server, err := localnats.Start(localnats.Options{Dir: t.TempDir(), Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Setup(t.Context(), js, stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 24, DuplicateWindow: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	want := func(sequence uint64) {
		t.Helper()
		if got, err := Processed(t.Context(), js); err != nil || got != sequence {
			t.Errorf("got %d, %v, want %d", got, err, sequence)
		}
	}
	want(0)
	for range 3 {
		if _, err := js.Publish(t.Context(), stream.Subject("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	want(0)
	consumer, err := js.Consumer(t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	messages := make([]jetstream.Msg, 3)
	for i := range messages {
		if messages[i], err = consumer.Next(); err != nil {
			t.Fatal(err)
		}
	}
	ack := func(i int) {
		t.Helper()
		if err := messages[i].DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ack(1) // the first is still in work
	want(0)
	ack(0)
	want(2)
	ack(2)
	want(3)
	if err := js.DeleteConsumer(t.Context(), stream.Events, stream.Consumer); err != nil {
		t.Fatal(err)
	}
	want(math.MaxUint64)
}

func TestEventsThatPostgreSQLRefusesAreNamedAndTheOthersStored(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	if _, _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db := sqlx.MustConnect("postgres", url)
	t.Cleanup(func() { _ = db.Close() })
	db.MustExec(`ALTER TABLE stripe_events ADD CHECK (id NOT LIKE '%3')`)
	s, err := store.Open(t.Context(), url, store.Options{Policy: registration.Policy{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var events []store.Received
	for i := range 20 {
		events = append(events, store.Received{Event: stripeevent.Event{ID: fmt.Sprint("evt_", i), Type: "x", Ignored: "type not handled"}})
	}
	var refused []Refusal
	note := func(id string, err error) { refused = append(refused, Refusal{id, err.Error()}) }
	stored, err := Store(t.Context(), s, events, note)
	if err != nil || stored != 18 || len(refused) != 2 || refused[0].ID != "evt_3" || refused[1].ID != "evt_13" || !strings.Contains(refused[0].Reason, "check") {
		t.Errorf("%d stored, %+v, %v", stored, refused, err)
	}
	refused = nil
	if stored, err := Store(t.Context(), s, nil, note); stored != 0 || refused != nil || err != nil {
		t.Errorf("%d stored, %+v, %v", stored, refused, err)
	}
	_ = s.Close()
	if _, err := Store(t.Context(), s, events, note); err == nil || refused != nil {
		t.Error("a closed store stored")
	}
}

func TestWhatWasLookedAtOfLateIsRemembered(t *testing.T) {
	t.Parallel()
	r := &recent{}
	if got := r.fresh([]string{"a", "b", "a"}); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	if got := r.fresh([]string{"b", "c"}); len(got) != 1 || got[0] != "c" {
		t.Errorf("got %q", got)
	}
	for i := range 3 * recentSize {
		r.fresh([]string{fmt.Sprint(i)})
	}
	if len(r.young)+len(r.old) > 2*recentSize || len(r.fresh([]string{"a"})) != 1 {
		t.Errorf("%d are remembered", len(r.young)+len(r.old))
	}
}
