package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
)

func event(n int, eventType string, created int64) Object {
	return Object{"id": fmt.Sprintf("evt_%04d", n), "object": "event", "type": eventType, "created": created, "data": Object{"object": Object{"id": "x_1"}}}
}

// eventful is a Stripe with n events, three of a second.
func eventful(t *testing.T, n int) *fakestripe.Server {
	t.Helper()
	s := fakestripe.New(t)
	s.Now = func() time.Time { return unix(fakestripe.SessionMade + int64(n)) }
	for i := range n {
		s.AddEvent("", event(i, "charge.refunded", fakestripe.SessionMade+int64(i/3)), false)
	}
	return s
}

func listed(t *testing.T, c *lookup.Client, q lookup.EventQuery) []string {
	t.Helper()
	var out []string
	err := c.Events(t.Context(), q, func(body []byte) error {
		out = append(out, gjson.GetBytes(body, "id").Str)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEventsAreReadOldestFirstHoweverManyPages(t *testing.T) {
	t.Parallel()
	for n, requests := range map[int]int{0: 1, 1: 1, 100: 1, 101: 3, 250: 5, 300: 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			s := eventful(t, n)
			got := listed(t, client(t, s), lookup.EventQuery{Undelivered: true})
			if len(got) != n || !slices.IsSorted(got) {
				t.Errorf("%d events in the order %v", len(got), got)
			}
			if asked := len(s.Requests("/v1/events")); asked != requests {
				t.Errorf("%d requests, want %d", asked, requests)
			}
		})
	}
}

func TestEventsThatAreMadeWhileTheListIsReadLoseNone(t *testing.T) {
	t.Parallel()
	s := eventful(t, 250)
	ask := client(t, s)
	var got []string
	err := ask.Events(t.Context(), lookup.EventQuery{Undelivered: true}, func(body []byte) error {
		if n := len(got); n%50 == 0 {
			s.AddEvent("", event(1000+n, "charge.refunded", fakestripe.SessionMade+100), false)
			s.Deliver("", "evt_0149") // of the page that has been read to
			s.Deliver("", "evt_0150")
		}
		got = append(got, gjson.GetBytes(body, "id").Str)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 250 {
		if id := fmt.Sprintf("evt_%04d", n); n != 149 && n != 150 && !slices.Contains(got, id) {
			t.Errorf("%s is lost", id)
		}
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("in the order %v", got)
	}
}

func TestEventsAreThoseThatWereAskedFor(t *testing.T) {
	t.Parallel()
	s := eventful(t, 3)
	s.AddEvent("", event(10, "charge.refunded", fakestripe.SessionMade+10), true)
	s.AddEvent("", event(11, "ping", fakestripe.SessionMade+11), false)
	s.AddEvent("acct_1", event(20, "charge.refunded", fakestripe.SessionMade), false)
	ask := client(t, s)
	for name, test := range map[string]struct {
		query lookup.EventQuery
		want  string
	}{
		"all":               {lookup.EventQuery{}, "evt_0000 evt_0001 evt_0002 evt_0010 evt_0011"},
		"undelivered":       {lookup.EventQuery{Undelivered: true}, "evt_0000 evt_0001 evt_0002 evt_0011"},
		"since":             {lookup.EventQuery{Since: unix(fakestripe.SessionMade + 10)}, "evt_0010 evt_0011"},
		"of types":          {lookup.EventQuery{Types: []string{"ping", "pong"}}, "evt_0011"},
		"of another client": {lookup.EventQuery{Account: "acct_1"}, "evt_0020"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(listed(t, ask, test.query), " "); got != test.want {
				t.Errorf("listed %s, want %s", got, test.want)
			}
		})
	}
}

func TestOfMoreThanTwentyTypesEachTwentyAreAskedFor(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	var types []string
	for n := range 45 {
		types = append(types, fmt.Sprintf("type.%02d", n))
		s.AddEvent("", event(n, types[n], time.Now().Unix()), false)
	}
	if got := listed(t, client(t, s), lookup.EventQuery{Types: types}); len(got) != 45 {
		t.Errorf("listed %v", got)
	}
	if asked := len(s.Requests("/v1/events")); asked != 3 {
		t.Errorf("asked %d times", asked)
	}
}

func TestAnEventIsReadByteForByte(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.AddEvent("", Object{"id": "evt_1", "object": "event", "type": "a", "created": time.Now().Unix(), "big": 12345678901234567}, false)
	err := client(t, s).Events(t.Context(), lookup.EventQuery{}, func(body []byte) error {
		if !strings.HasPrefix(string(body), "{\n") || !strings.Contains(string(body), `"big": 12345678901234567,`) {
			t.Errorf("read %s", body)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// waits are the pauses that a client made; the clock moves on with them.
type waits struct {
	clock clock
	made  []time.Duration
}

func (w *waits) options(s *lookup.Settings, o *lookup.Options) {
	at(&w.clock)(s, o)
	o.Pause = func(_ context.Context, d time.Duration) error {
		w.made = append(w.made, d)
		w.clock.now = w.clock.now.Add(d)
		return nil
	}
}

func TestAListIsWaitedForAsLongAsStripeSays(t *testing.T) {
	t.Parallel()
	s := eventful(t, 150)
	w := &waits{clock: clock{unix(fakestripe.SessionMade)}}
	ask := client(t, s, w.options)
	s.FailWith(1, fakestripe.Failure{Status: 429, RetryAfter: "40"})
	s.FailWith(1, fakestripe.Failure{Status: 429})
	s.FailWith(1, fakestripe.Failure{Status: 503, RetryAfter: "90"})
	s.FailWith(1, fakestripe.Failure{Status: 500})
	s.FailWith(1, fakestripe.Failure{Status: 200, Body: `{"object":"list","data":[{"id":"evt`})
	if got := listed(t, ask, lookup.EventQuery{}); len(got) != 150 {
		t.Errorf("%d events", len(got))
	}
	if len(w.made) != 5 || w.made[0] != 40*time.Second || w.made[1] < time.Second || w.made[2] != 90*time.Second || w.made[3] > 9*time.Second || w.made[4] < 8*time.Second {
		t.Errorf("waited %v", w.made)
	}
}

func TestAListThatTimesOutIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := eventful(t, 1)
	release := s.Hold()
	ask := client(t, s, func(s *lookup.Settings, o *lookup.Options) {
		s.Timeout = 50 * time.Millisecond
		o.Pause = func(context.Context, time.Duration) error { release(); return nil }
	})
	if got := listed(t, ask, lookup.EventQuery{}); len(got) != 1 {
		t.Errorf("listed %v", got)
	}
}

func TestStripeThatStaysAwayIsGivenUp(t *testing.T) {
	t.Parallel()
	s := eventful(t, 1)
	w := &waits{clock: clock{unix(fakestripe.SessionMade)}}
	ask := client(t, s, w.options)
	s.Fail(100, 500)
	err := ask.Events(t.Context(), lookup.EventQuery{}, func([]byte) error { return nil })
	if !errors.Is(err, lookup.ErrUnavailable) || len(w.made) != 5 {
		t.Errorf("got %v after %v", err, w.made)
	}
}

func TestWaitingForAListEndsWithTheContext(t *testing.T) {
	t.Parallel()
	s := eventful(t, 1)
	s.FailWith(1, fakestripe.Failure{Status: 429, RetryAfter: "300"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	ask := client(t, s)
	go func() { done <- ask.Events(ctx, lookup.EventQuery{}, func([]byte) error { return nil }) }()
	s.AwaitInHand(0)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWhatAnotherTryDoesNotChangeIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*fakestripe.Server)
		query   lookup.EventQuery
		want    error
		says    string
	}{
		"no permission": {func(s *fakestripe.Server) { s.Forbid("/v1/events", "rak_event_read") }, lookup.EventQuery{}, lookup.ErrRefused, "rak_event_read"},
		"no account":    {func(*fakestripe.Server) {}, lookup.EventQuery{Account: "acct_9"}, lookup.ErrRefused, "acct_9"},
		"no list":       {func(s *fakestripe.Server) { s.FailWith(1, fakestripe.Failure{Status: 200, Body: `{"object":"event"}`}) }, lookup.EventQuery{}, lookup.ErrUnexpected, "it is no list"},
		"no events": {func(s *fakestripe.Server) {
			s.FailWith(1, fakestripe.Failure{Status: 200, Body: `{"object":"list","data":[{"id":"ch_1","object":"charge"}]}`})
		}, lookup.EventQuery{}, lookup.ErrUnexpected, "no event"},
		"a page without an end": {func(s *fakestripe.Server) {
			s.FailWith(1, fakestripe.Failure{Status: 200, Body: `{"object":"list","data":[],"has_more":true}`})
		}, lookup.EventQuery{}, lookup.ErrUnexpected, "empty page"},
		"a place that is gone": {func(s *fakestripe.Server) {
			s.FailWith(1, fakestripe.Failure{Status: 200, Body: `{"object":"list","data":[{"id":"evt_gone","object":"event"}],"has_more":true}`})
		}, lookup.EventQuery{}, lookup.ErrUnexpected, "no longer knows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := eventful(t, 1)
			test.prepare(s)
			w := &waits{clock: clock{unix(fakestripe.SessionMade)}}
			err := client(t, s, w.options).Events(t.Context(), test.query, func([]byte) error { return nil })
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || len(w.made) > 0 {
				t.Errorf("got %v after %v, want %v that says %q", err, w.made, test.want, test.says)
			}
		})
	}
}

func TestAListEndsWithItsReadersError(t *testing.T) {
	t.Parallel()
	s := eventful(t, 250)
	enough, n := errors.New("enough"), 0
	err := client(t, s).Events(t.Context(), lookup.EventQuery{}, func([]byte) error {
		n++
		return enough
	})
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("%v after %d", err, n)
	}
}
