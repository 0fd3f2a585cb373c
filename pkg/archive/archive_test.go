package archive_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// archived runs a server with the streams, and an archive of n events: evt_1 to evt_n, every third a refund of
// another account's, each about reg-<its number modulo 10>.
func archived(t *testing.T, n int) (*archive.Archive, jetstream.JetStream) {
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
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(10_000))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Setup(t.Context(), js, stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 30, DuplicateWindow: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		kind, account := "checkout.session.completed", ""
		if i%3 == 0 {
			kind, account = "charge.refunded", "acct_1"
		}
		m := nats.NewMsg(stream.Subject(kind))
		m.Header.Set(stream.HeaderEventID, fmt.Sprintf("evt_%d", i))
		m.Header.Set(stream.HeaderEventType, kind)
		m.Header.Set(stream.HeaderAccount, account)
		m.Header.Set(stream.HeaderReceivedAt, "2026-03-10T12:00:00.123Z")
		m.Data = fmt.Appendf(nil, `{"id":"evt_%d","data":{"object":{"id":"cs_%d","metadata":{"registrationId":"reg-%d"}}}}`, i, i, i%10)
		if _, err := js.PublishMsgAsync(m); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	return archive.Events(js), js
}

// stamped is an event with an id and nothing else.
func stamped(id string) *nats.Msg {
	m := nats.NewMsg(stream.Subject("checkout.session.completed"))
	m.Header.Set(stream.HeaderEventID, id)
	m.Header.Set(stream.HeaderEventType, "checkout.session.completed")
	m.Data = fmt.Appendf(nil, `{"id":%q}`, id)
	return m
}

func scan(t *testing.T, a *archive.Archive, f archive.Filter) []string {
	t.Helper()
	found := []string{}
	err := a.Scan(t.Context(), f, nil, func(m archive.Message) error {
		found = append(found, m.EventID())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAScanFindsWhatTheFilterPicks(t *testing.T) {
	t.Parallel()
	a, _ := archived(t, 30)
	middle, err := a.Get(t.Context(), 16)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(numbers ...int) []string {
		out := []string{}
		for _, n := range numbers {
			out = append(out, fmt.Sprintf("evt_%d", n))
		}
		return out
	}
	for name, c := range map[string]struct {
		filter archive.Filter
		want   []string
	}{
		"a type":               {archive.Filter{Types: []string{"charge.refunded"}, To: 9}, ids(3, 6, 9)},
		"a pattern of types":   {archive.Filter{Types: []string{"checkout.*.completed"}, To: 5}, ids(1, 2, 4, 5)},
		"all types below one":  {archive.Filter{Types: []string{"charge.>"}, To: 5}, ids(3)},
		"several types":        {archive.Filter{Types: []string{"charge.refunded", "checkout.session.completed"}, To: 3}, ids(1, 2, 3)},
		"no such type":         {archive.Filter{Types: []string{"charge.dispute.created"}}, ids()},
		"a part of the stream": {archive.Filter{From: 10, To: 12}, ids(10, 11, 12)},
		"beyond the end":       {archive.Filter{From: 31}, ids()},
		"ids":                  {archive.Filter{IDs: ids(7, 30, 99)}, ids(7, 30)},
		"an account":           {archive.Filter{Account: "acct_1", To: 4}, ids(3)},
		"a registration":       {archive.Filter{Mentions: []string{"reg-1"}}, ids(1, 11, 21)},
		"a session":            {archive.Filter{Mentions: []string{"cs_1"}}, ids(1)},
		"both":                 {archive.Filter{Mentions: []string{"reg-1", "cs_21"}}, ids(21)},
		"any of some":          {archive.Filter{MentionsAny: []string{"cs_30", "cs_2", "cs_99"}}, ids(2, 30)},
		"any of some, and one": {archive.Filter{MentionsAny: []string{"cs_30", "cs_2"}, Mentions: []string{"reg-2"}}, ids(2)},
		"since":                {archive.Filter{Since: middle.Stored, To: 17}, nil},
		"in the future":        {archive.Filter{Since: time.Now().Add(time.Hour)}, ids()},
		"in the past":          {archive.Filter{Until: middle.Stored.Add(-time.Hour)}, ids()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := scan(t, a, c.filter)
			if name == "since" { // several may have been stored at one time
				if !slices.Contains(got, "evt_16") || !slices.Contains(got, "evt_17") {
					t.Errorf("got %q", got)
				}
				return
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAScanEndsWhereItBegan(t *testing.T) {
	t.Parallel()
	const events = 5000 // more than is fetched at once
	a, js := archived(t, events)
	var looked, total uint64
	found := 0
	err := a.Scan(t.Context(), archive.Filter{}, func(d, n uint64) { looked, total = d, n }, func(archive.Message) error {
		found++
		_, err := js.Publish(t.Context(), stream.Subject("charge.refunded"), []byte("{}")) // the stream grows meanwhile
		return err
	})
	if err != nil || found != events || looked != events || total != events {
		t.Errorf("found %d, looked at %d of %d, %v", found, looked, total, err)
	}
}

func TestAScanGoesPastWhatWasDeleted(t *testing.T) {
	t.Parallel()
	a, _ := archived(t, 5)
	for _, sequence := range []uint64{2, 5, 5} {
		if err := a.Delete(t.Context(), sequence); err != nil {
			t.Fatal(err)
		}
	}
	if got := scan(t, a, archive.Filter{}); !slices.Equal(got, []string{"evt_1", "evt_3", "evt_4"}) {
		t.Errorf("got %q", got)
	}
	if _, err := a.Get(t.Context(), 2); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestAScanEndsWithItsCallersError(t *testing.T) {
	t.Parallel()
	a, _ := archived(t, 5)
	for _, c := range []struct{ give, want error }{{archive.ErrStop, nil}, {errors.ErrUnsupported, errors.ErrUnsupported}} {
		calls := 0
		err := a.Scan(t.Context(), archive.Filter{}, nil, func(archive.Message) error { calls++; return c.give })
		if !errors.Is(err, c.want) || calls != 1 {
			t.Errorf("%v after %d calls, want %v", err, calls, c.want)
		}
	}
}

func TestAFilterThatNothingCanMeetIsRefused(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, f := range map[string]archive.Filter{
		"not before":    {Since: now, Until: now},
		"after the":     {From: 3, To: 2},
		"no event type": {Types: []string{"charge..refunded"}},
	} {
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", f, err, want)
		}
	}
}

func TestAMessageTellsWhatItsHeadersSay(t *testing.T) {
	t.Parallel()
	a, _ := archived(t, 3)
	m, err := a.Get(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if m.EventID() != "evt_3" || m.EventType() != "charge.refunded" || m.Subject != "stripe.events.charge.refunded" || m.Sequence != 3 ||
		!m.ReceivedAt().Equal(time.Date(2026, 3, 10, 12, 0, 0, 123e6, time.UTC)) || m.Stored.IsZero() || !strings.Contains(string(m.Body), `"cs_3"`) {
		t.Errorf("got %+v", m)
	}
	for text, want := range map[string]time.Time{
		"1700000000": time.Unix(1700000000, 0), "2026-03-10T12:00:00.000Z": time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), "": {}, "-1": {}, "soon": {},
	} {
		created := archive.Message{Header: nats.Header{stream.HeaderCreated: {text}}}
		if got := created.CreatedAt(); !got.Equal(want) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	if !(archive.Message{}).ReceivedAt().IsZero() {
		t.Error("a message without the header was received some time")
	}
}
