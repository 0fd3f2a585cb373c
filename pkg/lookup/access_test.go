package lookup_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
)

func TestEndpointsAreListedWithWhatTheyAreSent(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Add("",
		fakestripe.Endpoint("we_1", "https://example.org/stripe/webhooks", "charge.refunded", "ping"),
		with(fakestripe.Endpoint("we_2", "https://example.org/connect", "*"), "status", "disabled", "livemode", true, "application", "ca_1"))
	found, err := client(t, s).Endpoints(t.Context())
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v, %v", found, err)
	}
	connect, own := found[0], found[1]
	if own.ID != "we_1" || own.URL != "https://example.org/stripe/webhooks" || !own.Enabled || own.Live || own.Connect ||
		!own.Sends("ping") || own.Sends("charge.failed") {
		t.Errorf("%+v", own)
	}
	if connect.Enabled || !connect.Live || !connect.Connect || !connect.Sends("charge.failed") {
		t.Errorf("%+v", connect)
	}
}

func TestEndpointsAreListedHoweverManyPages(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	for n := range 201 {
		s.Add("", fakestripe.Endpoint(fmt.Sprintf("we_%d", n), "https://example.org"))
	}
	if found, err := client(t, s).Endpoints(t.Context()); err != nil || len(found) != 201 {
		t.Errorf("%d, %v", len(found), err)
	}
	s.Forbid("/v1/webhook_endpoints", "rak_webhook_read")
	if _, err := client(t, s).Endpoints(t.Context()); err == nil || !strings.Contains(err.Error(), "rak_webhook_read") {
		t.Errorf("got %v", err)
	}
}

func TestAccessNamesEveryPermissionThatIsMissing(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	if problems := client(t, s).Access(t.Context()); len(problems) != 0 {
		t.Errorf("got %v", problems)
	}
	s.Forbid("/v1/charges", "rak_charge_read")
	s.Forbid("/v1/events", "rak_event_read")
	problems := client(t, s).Access(t.Context())
	if len(problems) != 2 || !strings.Contains(problems[0].Error(), "rak_charge_read") || !strings.Contains(problems[1].Error(), "rak_event_read") {
		t.Errorf("got %v", problems)
	}
	s.Key = "sk_test_another"
	if problems := client(t, s).Access(t.Context()); len(problems) != 4 || !strings.Contains(problems[0].Error(), "wrong, revoked or expired") {
		t.Errorf("got %v", problems)
	}
}

func TestTheClockIsComparedWithoutAKey(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Now = func() time.Time { return unix(fakestripe.SessionMade) }
	settings := lookup.Settings{URL: s.URL, Timeout: time.Minute}
	now := func() time.Time { return unix(fakestripe.SessionMade + 90) }
	stripes, ahead, err := lookup.Clock(t.Context(), settings, now)
	if err != nil || !stripes.Equal(unix(fakestripe.SessionMade)) || ahead != 90*time.Second-500*time.Millisecond {
		t.Errorf("%s, %s, %v", stripes, ahead, err)
	}
	settings.URL = "http://127.0.0.1:1"
	if _, _, err := lookup.Clock(t.Context(), settings, now); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}
