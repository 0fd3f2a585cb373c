package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/settings"
)

func TestALeastPrivilegedUserIsEnough(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "a"},
			{Username: "ingester", Password: "i", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: []string{"stripe.events.>"}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_ingester.>"}},
			}},
		}
	}})
	_, js := dial(t, withUser(s.URL(), "admin", "a"))
	makeStreams(t, js, wideStream())
	in := start(t, withUser(s.URL(), "ingester", "i"), nil)
	in.awaitReady()
	done := make(chan reply)
	const posts = 100
	for i := range posts {
		go func() { done <- in.post(sample(fmt.Sprintf("evt_%d", i))) }()
	}
	for range posts {
		if got := <-done; got.Status != http.StatusOK {
			t.Errorf("%d %s", got.Status, got.text)
		}
	}
	if n := len(storedEvents(t, js)); n != posts {
		t.Errorf("%d events stored, want %d: a readiness check stores none", n, posts)
	}
	if text := in.log.String(); strings.Contains(text, "NATS reported an error") {
		t.Errorf("a permission was missing:\n%s", text)
	}
}

func TestAUserWhoMayNotPublishIsAnswered503AndNamed(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "a"},
			{Username: "ingester", Password: "i", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{">"}}}},
		}
	}})
	_, js := dial(t, withUser(s.URL(), "admin", "a"))
	makeStreams(t, js, wideStream())
	in := start(t, withUser(s.URL(), "ingester", "i"), env{"PUBLISH_TIMEOUT": "300ms"})
	got := in.post(sample("evt_1"))
	if got.Status != http.StatusServiceUnavailable || outcome(got.Error.Code) != storeTimeout || got.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.Status, got.text)
	}
	if text := in.log.String(); !strings.Contains(text, "Permissions Violation") {
		t.Errorf("the log does not name the permission:\n%s", text)
	}
	if ok, text := in.ready(); ok || !strings.Contains(text, "may not publish") {
		t.Errorf("ready: %t\n%s", ok, text)
	}
}

func TestARefusedPasswordEndsTheIngester(t *testing.T) {
	t.Parallel()
	s := startNATS(t, localnats.Options{Adjust: func(o *server.Options) {
		o.Users = []*server.User{{Username: "ingester", Password: "right"}}
	}})
	var set Settings
	if err := settings.Load(&set, settings.Source{Env: testEnv(withUser(s.URL(), "ingester", "wrong"), nil)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	log := &logBuffer{}
	err := Run(ctx, Options{Settings: set, Log: log.logger(t), Registry: prometheus.NewRegistry()})
	if err == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) || !strings.Contains(err.Error(), "Authorization") {
		t.Errorf("Run = %v", err)
	}
}
