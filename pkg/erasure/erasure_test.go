package erasure_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/erasure"
	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// room is a stream and a database with an event and registrations.
type room struct {
	t      *testing.T
	dir    string // of the streams
	js     jetstream.JetStream
	store  *store.Store
	db     *sqlx.DB
	stripe *simulate.Stripe
}

func newRoom(t *testing.T, registrations ...string) *room {
	t.Helper()
	dir := t.TempDir()
	server, err := localnats.Start(localnats.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	r := &room{t: t, dir: dir, stripe: simulate.New(rand.New(rand.NewPCG(1, 2)), time.Now)}
	if r.js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Setup(t.Context(), r.js, stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 28, DuplicateWindow: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	url := pgtest.Database(t)
	if _, _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if r.store, err = store.Open(t.Context(), url, store.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.store.Close() })
	r.db = sqlx.MustConnect("postgres", url)
	t.Cleanup(func() { _ = r.db.Close() })
	r.db.MustExec(`INSERT INTO events (id, title) VALUES ('e', 'Concert')`)
	for _, id := range registrations {
		r.db.MustExec(`INSERT INTO registrations (id, event_id, email, name) VALUES ($1, 'e', $1 || '@example.org', 'Ada')`, id)
	}
	return r
}

// publish stores events in the stream.
func (r *room) publish(events ...simulate.Event) {
	r.t.Helper()
	for _, e := range events {
		envelope, err := stripeevent.ReadEnvelope(e.Body)
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := stream.Store(r.t.Context(), r.js, stream.Event{Envelope: envelope, Body: e.Body}.Message()); err != nil {
			r.t.Fatal(err)
		}
	}
}

// settled stores events in the stream and settles them.
func (r *room) settled(events ...simulate.Event) {
	r.t.Helper()
	r.publish(events...)
	for _, e := range events {
		decoded, err := stripeevent.Decode(e.Body, stripeevent.Filter{})
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.store.Process(r.t.Context(), []store.Received{{Event: decoded}}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// bury makes an event a dead letter, besides its message in the stream.
func (r *room) bury(e simulate.Event) {
	r.t.Helper()
	r.publish(e)
	m := nats.NewMsg(stream.DeadSubject(stream.Subject(e.Type)))
	m.Data = e.Body
	m.Header.Set(stream.HeaderEventID, e.ID)
	if _, err := r.js.PublishMsg(r.t.Context(), m); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) look(id string) erasure.Plan {
	r.t.Helper()
	p, err := erasure.Look(r.t.Context(), r.store, r.js, id, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *room) erase(id string) {
	r.t.Helper()
	if err := erasure.Apply(r.t.Context(), r.store, r.js, r.look(id), nil); err != nil {
		r.t.Fatal(err)
	}
}

// left are the events that an archive holds.
func (r *room) left(a *archive.Archive) string {
	r.t.Helper()
	out := []string{}
	err := a.Scan(r.t.Context(), archive.Filter{}, nil, func(m archive.Message) error {
		out = append(out, m.EventID())
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func TestAllThatWasSentAboutARegistrationIsErasedAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRoom(t, "reg-1", "reg-10")
	p, other := r.stripe.Payment("reg-1"), r.stripe.Payment("reg-10")
	id := simulate.WithID
	r.settled(p.Failed(simulate.CardDeclined(), id("evt_failed")), other.Completed(id("evt_other")), p.Completed(id("evt_paid")),
		p.Disputed(id("evt_disputed")), r.stripe.Unrelated("customer.created", id("evt_unrelated")))
	mention := simulate.Event{ID: "evt_mention", Type: "charge.succeeded", Body: fmt.Appendf(nil, // of a type that tells no fact
		`{"id":"evt_mention","type":"charge.succeeded","data":{"object":{"id":%q,"billing_details":{"email":"ada@example.org"}}}}`, p.Charge)}
	r.settled(mention)
	r.bury(simulate.Event{ID: "evt_dead", Type: "charge.refunded", Body: fmt.Appendf(nil, `{"id":"evt_dead","type":"charge.refunded","payment_intent":%q}`, p.Intent)})
	r.bury(simulate.Event{ID: "evt_other_dead", Type: "charge.refunded", Body: []byte(`{"id":"evt_other_dead","type":"charge.refunded"}`)})

	plan := r.look("reg-1")
	if plan.Messages != 5 || plan.DeadLetters != 1 || plan.Unsettled != 0 || !plan.Fields || plan.Empty() {
		t.Errorf("%+v", plan)
	}
	if got := r.left(archive.Events(r.js)); strings.Count(got, "evt_") != 8 {
		t.Errorf("looking changed something: %s", got)
	}
	r.erase("reg-1")
	if got := r.left(archive.Events(r.js)); got != "evt_other evt_unrelated evt_other_dead" {
		t.Errorf("left in the stream: %s", got)
	}
	if got := r.left(archive.DeadLetters(r.js)); got != "evt_other_dead" {
		t.Errorf("left of the dead letters: %s", got)
	}
	var kept string
	err := r.db.Get(&kept, `SELECT string_agg(id || ' ' || status || ' ' || email, ', ' ORDER BY id) FROM registrations`)
	if err != nil || kept != "reg-1 FAILED , reg-10 PAID reg-10@example.org" {
		t.Errorf("%s, %v", kept, err)
	}
	if again := r.look("reg-1"); !again.Empty() {
		t.Errorf("left to erase: %+v", again)
	}
}

func TestWhatIsNotSettledStaysUntilItIs(t *testing.T) {
	t.Parallel()
	r := newRoom(t, "reg-1")
	p := r.stripe.Payment("reg-1")
	r.settled(p.Failed(simulate.CardDeclined()))
	paid := p.Completed(simulate.WithID("evt_paid"))
	r.publish(paid)
	if plan := r.look("reg-1"); plan.Unsettled != 1 || plan.Messages != 1 {
		t.Errorf("%+v", plan)
	}
	r.erase("reg-1")
	if got := r.left(archive.Events(r.js)); got != "evt_paid" {
		t.Errorf("left: %s", got)
	}
	r.settled(paid) // it is a duplicate in the stream, and settled now
	r.erase("reg-1")
	var row string
	if err := r.db.Get(&row, `SELECT status || email FROM registrations`); err != nil || row != "PAID" || r.left(archive.Events(r.js)) != "" {
		t.Errorf("%s, %v, left: %s", row, err, r.left(archive.Events(r.js)))
	}
}

func TestACopyOfASettledEventIsErasedToo(t *testing.T) {
	t.Parallel()
	r := newRoom(t, "reg-1")
	e := r.stripe.Payment("reg-1").Completed(simulate.WithID("evt_1"))
	r.settled(e)
	copied := nats.NewMsg(stream.Subject(e.Type)) // as of a redriven dead letter
	copied.Data = e.Body
	copied.Header.Set(stream.HeaderMsgID, "evt_1#redrive")
	copied.Header.Set(stream.HeaderEventID, "evt_1")
	if _, err := stream.Store(t.Context(), r.js, copied); err != nil {
		t.Fatal(err)
	}
	if plan := r.look("reg-1"); plan.Messages != 2 {
		t.Errorf("%+v", plan)
	}
	r.erase("reg-1")
	if got := r.left(archive.Events(r.js)); got != "" {
		t.Errorf("left: %s", got)
	}
}

func TestAnErasureThatWasCutOffIsRunAgain(t *testing.T) {
	t.Parallel()
	r := newRoom(t, "reg-1")
	p := r.stripe.Payment("reg-1")
	r.settled(p.Failed(simulate.CardDeclined()), p.Failed(simulate.CardDeclined()), p.Completed())
	ctx, cancel := context.WithCancel(t.Context())
	err := erasure.Apply(ctx, r.store, r.js, r.look("reg-1"), func(done, total uint64) {
		if done == 1 && total == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if plan := r.look("reg-1"); plan.Messages != 2 || plan.Fields {
		t.Errorf("%+v", plan)
	}
	r.erase("reg-1")
	if plan := r.look("reg-1"); !plan.Empty() {
		t.Errorf("%+v", plan)
	}
}

func TestWhatADeletedRegistrationLeftIsErased(t *testing.T) {
	t.Parallel()
	r := newRoom(t, "reg-1")
	r.settled(r.stripe.Payment("reg-1").Completed())
	r.db.MustExec(`DELETE FROM registrations`)
	r.erase("reg-1")
	if got := r.left(archive.Events(r.js)); got != "" {
		t.Errorf("left: %s", got)
	}
	if _, err := erasure.Look(t.Context(), r.store, r.js, "reg-9", nil); !errors.Is(err, store.ErrUnknownRegistration) {
		t.Errorf("got %v", err)
	}
}

func TestAnIDThatJSONWritesInManyWaysIsFound(t *testing.T) {
	t.Parallel()
	const id = `réservation "1" <a&b>`
	r := newRoom(t, id)
	r.settled(r.stripe.Payment(id).Completed())
	r.settled(simulate.Event{ID: "evt_x", Type: "charge.succeeded",
		Body: []byte(`{"id":"evt_x","type":"charge.succeeded","data":{"object":{"metadata":{"registrationId":"r\u00e9servation \u00221\u0022 <a\u0026b>"}}}}`)})
	r.erase(id)
	if got := r.left(archive.Events(r.js)); got != "" {
		t.Errorf("left: %s", got)
	}
}

// onDisk says whether any file of the streams holds a text.
func (r *room) onDisk(text string) bool {
	r.t.Helper()
	found := false
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || bytes.Contains(content, []byte(text))
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

func TestWhatIsErasedIsGoneFromTheDisk(t *testing.T) {
	t.Parallel()
	r := newRoom(t, "reg-1", "reg-2")
	r.settled(r.stripe.Payment("reg-1").Completed(), r.stripe.Payment("reg-2").Completed())
	secret := simulate.Event{ID: "evt_1", Type: "charge.succeeded", // in letters that no compression joins
		Body: []byte(`{"id":"evt_1","type":"charge.succeeded","data":{"object":{"metadata":{"registrationId":"reg-1"},"email":"q7Zx0WvK9mPj3Lb@example.org"}}}`)}
	r.settled(secret)
	r.bury(secret)
	if !r.onDisk("q7Zx0WvK9mPj3Lb") {
		t.Fatal("the address was never on the disk as it is: the test shows nothing")
	}
	r.erase("reg-1")
	if r.onDisk("q7Zx0WvK9mPj3Lb") {
		t.Error("the address is still on the disk")
	}
}
