package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
)

func TestFourRequestsAtOnceAtMost(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	release := s.Hold()
	ask := client(t, s)
	var asking sync.WaitGroup
	for n := range 12 {
		asking.Go(func() {
			if a, err := ask.Session(t.Context(), "", fmt.Sprintf("cs_test_%d", n)); err != nil || a.Outcome != lookup.NotFound {
				t.Errorf("answered %+v, %v", a, err)
			}
		})
	}
	s.AwaitInHand(4)
	release()
	asking.Wait()
	if most, all := s.MostAtOnce(), len(s.Requests("/")); most != 4 || all != 12 {
		t.Errorf("%d of %d requests at once, want 4 of 12", most, all)
	}
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	release := s.Hold()
	ask := client(t, s)
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() { _, _ = ask.Session(t.Context(), "", "cs_test_1") })
	}
	s.AwaitInHand(4)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := ask.Session(ctx, "", "cs_test_2")
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context was canceled", err)
	}
	release()
	asking.Wait()
	if got := len(s.Requests("/")); got != 4 {
		t.Errorf("%d requests were sent, want 4", got)
	}
}

func TestTheRateIsKept(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	ask := client(t, s, func(s *lookup.Settings, _ *lookup.Options) { s.Rate = 1 })
	start := time.Now()
	if _, err := ask.Session(t.Context(), "", "cs_test_1"); err != nil {
		t.Fatal(err)
	}
	for range 5 { // whose turn comes after their deadline, but on a machine that stands still for a second
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := ask.Session(ctx, "", "cs_test_1")
		cancel()
		if err != nil && (!errors.Is(err, context.DeadlineExceeded) || errors.Is(err, lookup.ErrUnavailable)) {
			t.Errorf("got %v, want that the turn comes after the deadline", err)
		}
	}
	sent, seconds := len(s.Requests("/")), int(time.Since(start).Seconds())
	if sent > 1+seconds {
		t.Errorf("%d requests were sent in %d seconds, want one a second", sent, seconds)
	}
}

func TestStripeIsLeftAloneForAsLongAsItSays(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Add("", session("cs_test_1", "open", "unpaid", ""))
	c := &clock{unix(fakestripe.SessionMade)}
	ask := client(t, s, at(c))
	s.FailWith(1, fakestripe.Failure{Status: 429, RetryAfter: "30"})
	if _, err := ask.Session(t.Context(), "", "cs_test_1"); failure(t, err).RetryAfter != 30*time.Second {
		t.Errorf("got %v, want to wait 30s", err)
	}
	c.now = c.now.Add(20 * time.Second)
	_, err := ask.Locate(t.Context(), "", "ch_1", "")
	if !errors.Is(err, lookup.ErrUnavailable) || failure(t, err).RetryAfter != 10*time.Second {
		t.Errorf("got %v, want to wait the 10s that are left", err)
	}
	if got := len(s.Requests("/")); got != 1 {
		t.Errorf("%d requests were sent, want 1", got)
	}
	c.now = c.now.Add(10 * time.Second)
	if a, err := ask.Session(t.Context(), "", "cs_test_1"); err != nil || a.Outcome != lookup.Open {
		t.Errorf("answered %+v, %v", a, err)
	}
}

func TestAShorterWaitDoesNotCutALongerOneShort(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	release := s.Hold()
	c := &clock{unix(fakestripe.SessionMade)}
	ask := client(t, s, at(c))
	s.FailWith(1, fakestripe.Failure{Status: 429, RetryAfter: "30"})
	s.FailWith(1, fakestripe.Failure{Status: 429})
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() { _, _ = ask.Session(t.Context(), "", "cs_test_1") })
	}
	s.AwaitInHand(2)
	release()
	asking.Wait()
	if _, err := ask.Session(t.Context(), "", "cs_test_1"); failure(t, err).RetryAfter != 30*time.Second {
		t.Errorf("got %v, want to wait 30s", err)
	}
}

func TestRequestsAreCountedByQuestionAndResult(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	registry := prometheus.NewRegistry()
	c := &clock{unix(fakestripe.SessionMade)}
	ask := client(t, s, at(c), func(_ *lookup.Settings, o *lookup.Options) { o.Registerer = registry })
	if got, err := testutil.GatherAndCount(registry, "guichet_lookup_requests_total"); err != nil || got != 6*7 {
		t.Errorf("%d series from the start, %v; want 42", got, err)
	}
	s.Add("", intent("pi_1", "succeeded", ""))
	for range 2 { // the second is answered from memory
		if _, err := ask.Locate(t.Context(), "", "", "pi_1"); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = ask.Locate(t.Context(), "", "ch_1", "")
	s.Fail(1, 500)
	_, _ = ask.Session(t.Context(), "", "cs_test_1")
	s.Fail(1, 401)
	_, _ = ask.Session(t.Context(), "", "cs_test_1")
	s.Fail(1, 400)
	_, _ = ask.Session(t.Context(), "", "cs_test_1")
	s.Fail(1, 429)
	_, _ = ask.Session(t.Context(), "", "cs_test_1")
	_, _ = ask.Session(t.Context(), "", "cs_test_1") // not sent
	c.now = c.now.Add(time.Minute)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = ask.Session(canceled, "", "cs_test_1") // not sent either

	const head = "# HELP guichet_lookup_requests_total Requests sent to Stripe's API by what was asked for and what became of it.\n# TYPE guichet_lookup_requests_total counter\n"
	want := map[string]int{
		"intent/found": 1, "sessions/found": 1, "charge/not_found": 1,
		"session/unavailable": 1, "session/refused": 1, "session/unexpected": 1, "session/rate_limited": 1,
	}
	text := head
	for _, question := range []string{"session", "intent", "charge", "sessions", "events", "endpoints"} {
		for _, result := range []string{"found", "not_found", "rate_limited", "unavailable", "refused", "unexpected", "given_up"} {
			text += fmt.Sprintf("guichet_lookup_requests_total{question=%q,result=%q} %d\n", question, result, want[question+"/"+result])
		}
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(text), "guichet_lookup_requests_total"); err != nil {
		t.Error(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "guichet_lookup_request_seconds" && f.GetMetric()[0].GetHistogram().GetSampleCount() != 7 {
			t.Errorf("%d requests were timed, want 7", f.GetMetric()[0].GetHistogram().GetSampleCount())
		}
	}
}
