package proof_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/proof"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/replay"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

var policy = registration.Policy{FailedHold: 24 * time.Hour, PendingHold: 24 * time.Hour, ExpiryGrace: time.Hour}

// house is a stream and a database, and Stripe.
type house struct {
	t      testing.TB
	url    string
	js     jetstream.JetStream
	db     *sqlx.DB
	store  *store.Store
	off    *store.Store // with mails off
	stripe *simulate.Stripe
}

func newHouse(t testing.TB) *house {
	t.Helper()
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
	h := &house{t: t, url: pgtest.Database(t), stripe: simulate.New(rand.New(rand.NewPCG(1, 2)), time.Now)}
	if h.js, err = jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4096)); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Setup(t.Context(), h.js, stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 32, DuplicateWindow: time.Minute, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Migrate(t.Context(), h.url); err != nil {
		t.Fatal(err)
	}
	h.db = sqlx.MustConnect("postgres", h.url)
	t.Cleanup(func() { _ = h.db.Close() })
	h.store, h.off = h.open(store.Options{}), h.open(store.Options{MailsOff: true})
	h.exec(`INSERT INTO events (id, title, capacity) VALUES ('e', 'Concert', 100000)`)
	return h
}

func (h *house) open(o store.Options) *store.Store {
	h.t.Helper()
	o.Policy = policy
	s, err := store.Open(h.t.Context(), h.url, o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (h *house) exec(query string, args ...any) {
	h.t.Helper()
	if _, err := h.db.Exec(query, args...); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
}

func (h *house) get(query string, args ...any) string {
	h.t.Helper()
	var out string
	if err := h.db.Get(&out, query, args...); err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	return out
}

func (h *house) register(ids ...string) {
	h.t.Helper()
	for _, id := range ids {
		h.exec(`INSERT INTO registrations (id, event_id, email) VALUES ($1, 'e', $1 || '@example.org')`, id)
	}
}

// publish stores events as the ingester does.
func (h *house) publish(events ...simulate.Event) {
	h.t.Helper()
	for _, e := range events {
		h.put(e.ID, e.Type, e.Body)
	}
	<-h.js.PublishAsyncComplete()
}

// put stores any bytes as an event.
func (h *house) put(id, eventType string, body []byte) {
	h.t.Helper()
	m := nats.NewMsg(stream.Subject(eventType))
	m.Data = body
	m.Header.Set(stream.HeaderEventID, id)
	m.Header.Set(stream.HeaderEventType, eventType)
	m.Header.Set(stream.HeaderReceivedAt, time.Now().UTC().Format(stream.TimeFormat))
	if _, err := h.js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
		h.t.Fatal(err)
	}
}

// process does what the worker does with up to limit messages of the stream: it stores and acknowledges them.
func (h *house) process(limit int) {
	h.t.Helper()
	<-h.js.PublishAsyncComplete()
	consumer, err := h.js.Consumer(h.t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		h.t.Fatal(err)
	}
	info, err := consumer.Info(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	// Not FetchNoWait, which takes a second without an answer for an empty stream.
	batch, err := consumer.Fetch(min(limit, int(info.NumPending)), jetstream.FetchMaxWait(time.Minute)) // #nosec G115 -- few
	if err != nil {
		h.t.Fatal(err)
	}
	var events []store.Received
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			h.t.Fatal(err)
		}
		e := replay.Read(archive.Message{Sequence: meta.Sequence.Stream, Header: m.Headers(), Body: m.Data()}, stripeevent.Filter{})
		if e.Err == nil {
			events = append(events, e.Event)
		}
		if err := m.DoubleAck(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := batch.Error(); err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.store.Process(context.Background(), events); err != nil {
		h.t.Fatal(err)
	}
	h.settle()
}

func (h *house) settle() {
	h.t.Helper()
	if _, _, err := h.store.Sweep(context.Background(), 100_000); err != nil {
		h.t.Fatal(err)
	}
}

// verify runs a verification and returns its report and what it found, as "about id field: stored, should be".
func (h *house) verify(o proof.Options) (proof.Report, []string) {
	h.t.Helper()
	found := []string{}
	o.Found = func(d store.Difference) error {
		found = append(found, fmt.Sprintf("%s %s %s: %s, %s", d.About, d.ID, d.Field, d.Stored, d.ShouldBe))
		return nil
	}
	s := h.store
	if o.Mend {
		s = h.off
	}
	report, err := proof.Verify(context.Background(), proof.Subject{JS: h.js, Store: s}, o)
	if err != nil {
		h.t.Fatal(err)
	}
	if report.Differences != len(found) {
		h.t.Errorf("%d differences are counted, %d told", report.Differences, len(found))
	}
	slices.Sort(found)
	return report, found
}

// wantSound wants a verification to find nothing.
func (h *house) wantSound() proof.Report {
	h.t.Helper()
	report, found := h.verify(proof.Options{})
	if len(found) > 0 {
		h.t.Errorf("found %q", found)
	}
	return report
}
