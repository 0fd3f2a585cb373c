package backfill_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/backfill"
	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// room is a Stripe, a stream and a database.
type room struct {
	t     *testing.T
	fake  *fakestripe.Server
	stage *simulate.Stripe
	js    jetstream.JetStream
	db    *sqlx.DB
	back  backfill.Backfill
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{t: t, fake: fakestripe.New(t), stage: simulate.New(rand.New(rand.NewPCG(1, 2)), time.Now)}
	ask, err := lookup.New(lookup.Settings{Key: fakestripe.Key, URL: r.fake.URL, Timeout: time.Minute, Rate: 100}, lookup.Options{
		Pause: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ask.Close)
	r.js = streams(t, nil, "")
	url := pgtest.Database(t)
	if _, _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r.db = sqlx.MustConnect("postgres", url)
	t.Cleanup(func() { _ = r.db.Close() })
	r.back = backfill.Backfill{Stripe: ask, Store: db, JS: r.js}
	return r
}

func streams(t *testing.T, adjust func(*server.Options), login string) jetstream.JetStream {
	t.Helper()
	s, err := localnats.Start(localnats.Options{Dir: t.TempDir(), Lazy: true, Adjust: adjust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	conn, err := nats.Connect(strings.Replace(s.URL(), "nats://", "nats://"+login, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 28, DuplicateWindow: time.Hour, Replicas: 1}
	if _, err := stream.Setup(t.Context(), js, config); err != nil {
		t.Fatal(err)
	}
	return js
}

// stored returns the ids of the events in the stream, in their order.
func (r *room) stored() []string {
	r.t.Helper()
	out := []string{}
	err := archive.Events(r.js).Scan(r.t.Context(), archive.Filter{}, nil, func(m archive.Message) error {
		out = append(out, m.EventID())
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *room) inInbox(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		r.db.MustExec(`INSERT INTO stripe_events (id, type, outcome) VALUES ($1, 'ping', 'ignored')`, id)
	}
}

func day() backfill.Query { return backfill.Query{Since: time.Now().Add(-24 * time.Hour)} }

func TestWhatIsMissingIsShownAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	p := r.stage.Payment("reg-1")
	old := simulate.At(time.Now().Add(-time.Hour))
	r.fake.Happened("", p.Failed(simulate.CardDeclined(), simulate.WithID("evt_1"), old), p.Completed(simulate.WithID("evt_2")), p.Succeeded(simulate.WithID("evt_3")))
	r.fake.AddEvent("", fakestripe.Object{"id": "evt_4", "object": "event", "type": "customer.created", "created": time.Now().Unix()}, false)
	r.inInbox("evt_3")
	var found []backfill.Event
	r.back.Found = func(e backfill.Event) { found = append(found, e) }
	result, err := r.back.Look(t.Context(), day())
	if err != nil || result != (backfill.Result{Listed: 3, Stored: 1, Missing: 2}) {
		t.Errorf("%+v, %v", result, err)
	}
	if len(found) != 2 || found[0].ID != "evt_1" || found[0].Type != "payment_intent.payment_failed" || time.Since(found[0].Created) < 59*time.Minute || found[1].ID != "evt_2" {
		t.Errorf("found %+v", found)
	}
	if got := r.stored(); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
	var noted int
	if err := r.db.Get(&noted, `SELECT count(*) FROM backfilled`); err != nil || noted != 0 {
		t.Errorf("noted %d, %v", noted, err)
	}
}

func TestWhatIsMissingIsStoredInItsOrderHoweverMuchItIs(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	var want []string
	for n := range 230 {
		id := fmt.Sprintf("evt_%03d", n)
		r.fake.Happened("", r.stage.Payment("reg-1").Completed(simulate.WithID(id), simulate.At(time.Now().Add(time.Duration(n-300)*time.Second))))
		if n%7 == 0 {
			r.inInbox(id)
		} else {
			want = append(want, id)
		}
	}
	result, err := r.back.Apply(t.Context(), day())
	if err != nil || result != (backfill.Result{Listed: 230, Stored: 230 - len(want), Missing: len(want), Published: len(want)}) {
		t.Errorf("%+v, %v", result, err)
	}
	if got := r.stored(); !slices.Equal(got, want) {
		t.Errorf("stored %v", got)
	}
	again, err := r.back.Apply(t.Context(), day()) // none of them is settled yet
	if err != nil || again.Published != 0 || again.Duplicates != len(want) || len(r.stored()) != len(want) {
		t.Errorf("%+v, %v", again, err)
	}
	if noted, err := r.back.Store.Backfilled(t.Context(), want, time.Hour); err != nil || len(noted) != len(want) {
		t.Errorf("noted %d, %v", len(noted), err)
	}
}

func TestAnEventIsStoredAsTheIngesterWouldHaveStoredIt(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	webhook := r.stage.Payment("reg-1").Completed()
	r.fake.Happened("", webhook)
	if _, err := r.back.Apply(t.Context(), day()); err != nil {
		t.Fatal(err)
	}
	m, err := archive.Events(r.js).Get(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := stripeevent.ReadEnvelope(webhook.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := stream.Event{Envelope: envelope, ReceivedAt: m.Header.Get(stream.HeaderReceivedAt), Traceparent: m.Header.Get(stream.HeaderTraceparent)}.Message()
	for name := range want.Header {
		if got := m.Header.Get(name); got != want.Header.Get(name) || got == "" {
			t.Errorf("%s is %q, want %q", name, got, want.Header.Get(name))
		}
	}
	if m.Subject != want.Subject || time.Since(m.ReceivedAt()) > time.Minute || !stream.NewTracer().Valid(want.Header.Get(stream.HeaderTraceparent)) {
		t.Errorf("%s %v", m.Subject, m.Header)
	}
	got, err := stripeevent.Decode(m.Body, stripeevent.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := stripeevent.Decode(webhook.Body, stripeevent.Filter{})
	if err != nil || fmt.Sprint(*got.Fact) != fmt.Sprint(*sent.Fact) {
		t.Errorf("%+v, want %+v", *got.Fact, *sent.Fact)
	}
}

func TestConnectedAccountsAreAskedForThemselves(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fake.Happened("", r.stage.Payment("reg-1").Completed(simulate.WithID("evt_own")))
	r.fake.Happened("acct_1", r.stage.Payment("reg-2").Completed(simulate.WithID("evt_silent")), // its list does not say whose it is
		r.stage.Payment("reg-3").Completed(simulate.WithID("evt_telling"), simulate.OnAccount("acct_1")))
	r.back.Accounts = []string{"acct_unknown", "*", "acct_1"}
	result, err := r.back.Apply(t.Context(), day())
	if !errors.Is(err, lookup.ErrRefused) || !strings.Contains(err.Error(), "account acct_unknown") || result.Published != 3 {
		t.Errorf("%+v, %v", result, err)
	}
	accounts := map[string]string{}
	err = archive.Events(r.js).Scan(t.Context(), archive.Filter{}, nil, func(m archive.Message) error {
		e, err := stripeevent.Decode(m.Body, stripeevent.Filter{Accounts: []string{"acct_1"}})
		if err == nil && (e.Fact == nil || e.Account != m.Header.Get(stream.HeaderAccount)) {
			t.Errorf("%+v", e)
		}
		accounts[e.ID] = e.Account
		return err
	})
	if err != nil || accounts["evt_own"] != "" || accounts["evt_silent"] != "acct_1" || accounts["evt_telling"] != "acct_1" {
		t.Errorf("%v, %v", accounts, err)
	}
}

func TestWhatStripeSaysItDeliveredIsBroughtInOnDemand(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fake.Happened("", r.stage.Payment("reg-1").Completed(simulate.WithID("evt_1")))
	r.fake.Deliver("", "evt_1")
	q := day()
	for _, test := range []struct{ all, published int }{{0, 0}, {1, 1}} {
		q.All = test.all == 1
		if result, err := r.back.Apply(t.Context(), q); err != nil || result.Published != test.published {
			t.Errorf("%+v, %v", result, err)
		}
	}
}

func TestWhatIsInTheStreamOrDeadIsNotBroughtInAgain(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, id := range []string{"evt_settled", "evt_pending", "evt_dead", "evt_missing"} {
		r.fake.Happened("", r.stage.Payment("reg-1").Completed(simulate.WithID(id)))
	}
	put := func(subject, id string) {
		t.Helper()
		m := nats.NewMsg(subject)
		m.Header.Set(stream.HeaderEventID, id)
		if _, err := r.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	put("stripe.events.x", "evt_settled")
	put("stripe.dead.x", "evt_dead")
	consumer, err := r.js.Consumer(t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	m, err := consumer.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.DoubleAck(t.Context()); err != nil { // and yet it is not in the inbox: the database was lost
		t.Fatal(err)
	}
	put("stripe.events.x", "evt_pending")
	if r.back.Elsewhere, err = backfill.Unsettled(t.Context(), r.js); err != nil {
		t.Fatal(err)
	}
	var found []string
	r.back.Found = func(e backfill.Event) { found = append(found, e.ID) }
	result, err := r.back.Look(t.Context(), day())
	if err != nil || result.Elsewhere != 2 || !slices.Equal(found, []string{"evt_settled", "evt_missing"}) {
		t.Errorf("%+v, %v, found %v", result, err, found)
	}
}

func TestAnEventThatNoIngesterWouldTakeKeepsNoOtherBack(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.fake.AddEvent("", fakestripe.Object{"id": "evt_0", "object": "event", "type": "charge.refunded", "created": time.Now().Unix(), "api_version": "\n"}, false)
	r.fake.Happened("", r.stage.Payment("reg-1").Completed(simulate.WithID("evt_1")))
	result, err := r.back.Apply(t.Context(), day())
	if err == nil || !strings.Contains(err.Error(), "api_version is not printable") || result.Published != 1 || result.Listed != 2 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestWhatWasListedBeforeStripeFellSilentIsStored(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for n := range 250 {
		r.fake.Happened("", r.stage.Payment("reg-1").Completed(simulate.At(time.Now().Add(time.Duration(n-300)*time.Second))))
	}
	r.back.Found = func(backfill.Event) { r.fake.Fail(1000, 500) }
	result, err := r.back.Apply(t.Context(), day())
	if !errors.Is(err, lookup.ErrUnavailable) || result.Published != 150 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestWithoutTheRightToPublishItSaysSo(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.back.JS = streams(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "worker", Password: "w", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"stripe.events.>"}}}}}
	}, "worker:w@")
	r.fake.Happened("", r.stage.Payment("reg-1").Completed())
	r.fake.Happened("", r.stage.Payment("reg-2").Completed())
	begun := time.Now()
	result, err := r.back.Apply(t.Context(), day())
	if !errors.Is(err, stream.ErrMayNotPublish) || result.Published != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %s to find out", took)
	}
}

func TestNoListedBodyIsKeptForTheNextAccount(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for n := range 120 {
		r.fake.Happened(map[bool]string{true: "acct_1"}[n%2 == 0], r.stage.Payment(fmt.Sprintf("reg-%d", n)).Completed(simulate.WithID(fmt.Sprintf("evt_%d", n))))
	}
	r.back.Accounts = []string{"acct_1"}
	if result, err := r.back.Apply(t.Context(), day()); err != nil || result.Published != 120 {
		t.Fatalf("%+v, %v", result, err)
	}
	err := archive.Events(r.js).Scan(t.Context(), archive.Filter{}, nil, func(m archive.Message) error {
		if !bytes.Contains(m.Body, fmt.Appendf(nil, "%q", strings.Replace(m.EventID(), "evt_", "reg-", 1))) {
			t.Errorf("%s has another's body", m.EventID())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
