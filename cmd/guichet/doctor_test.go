package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/cmd/guichet/internal/doctor"
	"github.com/educareschool/guichet/pkg/localpg"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestDoctor_FindsNothingWrongWhereNothingIs(t *testing.T) {
	t.Parallel()
	w, _ := healthy(t)
	postgres, err := localpg.Start(t.Context(), localpg.Options{Dir: t.TempDir()}) // the other tests' does not sync
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = postgres.Stop() })
	if err := postgres.CreateDatabase(t.Context(), "guichet"); err != nil {
		t.Fatal(err)
	}
	w.env["DATABASE_URL"] = postgres.URL("guichet")
	if got := w.guichet("setup"); got.code != service.ExitOK {
		t.Fatalf("%+v", got)
	}
	address, greeted, mails := w.smtpHost()
	delete(w.env, "MAILBOX_DIR")
	w.env["SMTP_URL"], w.env["MAIL_FROM"] = "smtp://"+address, "billets@example.org"
	got := w.guichet("doctor", "--monitor", monitoring(t, `{"config":{"sync_always":true}}`)+"/")
	if got.code != service.ExitOK || got.stderr != "" || strings.Contains(got.stdout, "warning") || strings.Contains(got.stdout, "failure") {
		t.Errorf("%+v", got)
	}
	for _, check := range []string{
		"settings", "webhook secret", "PostgreSQL", "PostgreSQL clock", "schema", "NATS", "NATS payload", "JetStream", "stream STRIPE_EVENTS",
		"stream STRIPE_DEAD_LETTERS", "consumer worker", "JetStream sync", "SMTP", "Stripe's clock", "Stripe's API", "ingester", "webhook endpoint",
		"endpoint's types", "endpoints of the address",
	} {
		if !strings.Contains(got.stdout, "ok  "+check+"  ") {
			t.Errorf("%s is not looked at:\n%s", check, got.stdout)
		}
	}
	if greeted.Load() != 1 || mails.Load() != 0 {
		t.Errorf("the SMTP server was greeted %d times, and sent %d mails", greeted.Load(), mails.Load())
	}
	w.holds(stream.Events, 0)
}

func TestDoctor_SaysOfEachThingWhatIsWrongAndWhatToDo(t *testing.T) {
	t.Parallel()
	shared, _ := healthy(t)
	own := map[string]bool{"an old schema": true, "no consumer": true, "another consumer": true, "a stream that fills": true}
	for name, test := range map[string]struct {
		spoil  func(*workshop, *fakestripe.Server)
		check  string
		level  doctor.Level
		detail string
	}{
		"a setting":   {func(w *workshop, _ *fakestripe.Server) { w.env["FAILED_HOLD"] = "long" }, "settings", doctor.Failure, "FAILED_HOLD is not a valid duration"},
		"no database": {func(w *workshop, _ *fakestripe.Server) { delete(w.env, "DATABASE_URL") }, "settings", doctor.Failure, "DATABASE_URL is not set"},
		"a secret that is a key": {func(w *workshop, _ *fakestripe.Server) { w.env["STRIPE_WEBHOOK_SECRET"] = "sk_test_" + doctorPassword },
			"settings", doctor.Failure, "it is an API key"},
		"a secret cut short": {func(w *workshop, _ *fakestripe.Server) { w.env["STRIPE_WEBHOOK_SECRET"] = doctorSecret + ",whsec_1" }, "webhook secret", doctor.Warning, "one of 2"},
		"a secret twice":     {func(w *workshop, _ *fakestripe.Server) { w.env["STRIPE_WEBHOOK_SECRET"] += "\n" + doctorSecret }, "webhook secret", doctor.Warning, "twice"},
		"no secret":          {func(w *workshop, _ *fakestripe.Server) { delete(w.env, "STRIPE_WEBHOOK_SECRET") }, "webhook secret", doctor.Warning, "none"},
		"PostgreSQL away": {func(w *workshop, _ *fakestripe.Server) {
			w.env["DATABASE_URL"] = "postgres://me:" + doctorPassword + "@127.0.0.1:1/x"
		},
			"PostgreSQL", doctor.Failure, "connection refused"},
		"no schema": {func(w *workshop, _ *fakestripe.Server) { w.env["DATABASE_URL"] += "&options=-csearch_path%3Delsewhere" }, "schema", doctor.Failure, "never set up"},
		"an old schema": {func(w *workshop, _ *fakestripe.Server) { w.exec(`DELETE FROM guichet_schema WHERE version_id > 2`) },
			"schema", doctor.Failure, "version 2 is older"},
		"a database that may forget": {func(*workshop, *fakestripe.Server) {}, // as the tests' does
			"PostgreSQL durability", doctor.Failure, "lost with the power"},
		"NATS away": {func(w *workshop, _ *fakestripe.Server) {
			w.env["NATS_URL"] = "nats://me:" + doctorPassword + "@127.0.0.1:1"
		}, "NATS", doctor.Failure, "reach NATS at 127.0.0.1:1"},
		"a small payload": {func(w *workshop, _ *fakestripe.Server) { w.env["MAX_BODY_BYTES"] = "67108864" }, "NATS payload", doctor.Warning, "67112960"},
		"another stream":  {func(w *workshop, _ *fakestripe.Server) { w.env["STREAM_MAX_AGE"] = "900h" }, "stream STRIPE_EVENTS", doctor.Failure, "max age 840h0m0s → 900h0m0s"},
		"no consumer": {func(w *workshop, _ *fakestripe.Server) {
			if err := w.js.DeleteConsumer(w.t.Context(), stream.Events, stream.Consumer); err != nil {
				w.t.Fatal(err)
			}
		}, "consumer worker", doctor.Failure, "not there"},
		"another consumer": {func(w *workshop, _ *fakestripe.Server) {
			config := stream.ConsumerConfig()
			config.MaxAckPending = 1000
			if _, err := w.js.UpdateConsumer(w.t.Context(), stream.Events, config); err != nil {
				w.t.Fatal(err)
			}
		}, "consumer worker", doctor.Failure, "max ack pending 1000 → 20000"},
		"a stream that fills": {func(w *workshop, _ *fakestripe.Server) {
			w.env["STREAM_MAX_BYTES"] = "30000"
			if got := w.guichet("setup"); got.code != service.ExitOK {
				w.t.Fatalf("%+v", got)
			}
			for range 5 {
				if _, err := w.js.Publish(w.t.Context(), "stripe.events.x", make([]byte, 5000)); err != nil {
					w.t.Fatal(err)
				}
			}
		}, "stream STRIPE_EVENTS", doctor.Warning, "of 30000 bytes"},
		"no SMTP": {func(w *workshop, _ *fakestripe.Server) { delete(w.env, "MAILBOX_DIR") }, "SMTP", doctor.Warning, "outbox"},
		"SMTP without STARTTLS": {func(w *workshop, _ *fakestripe.Server) {
			address, _, _ := w.smtpHost()
			delete(w.env, "MAILBOX_DIR")
			w.env["SMTP_URL"], w.env["MAIL_FROM"] = "smtp://robot:"+doctorPassword+"@"+address+"?tls=required", "billets@example.org"
		}, "SMTP", doctor.Failure, "STARTTLS"},
		"SMTP away": {func(w *workshop, _ *fakestripe.Server) {
			delete(w.env, "MAILBOX_DIR")
			w.env["SMTP_URL"], w.env["MAIL_FROM"] = "smtp://robot:"+doctorPassword+"@127.0.0.1:1", "billets@example.org"
		}, "SMTP", doctor.Failure, "cannot be reached"},
		"no admin": {func(w *workshop, _ *fakestripe.Server) { delete(w.env, "ADMIN_EMAIL") }, "admin mails", doctor.Warning, "nobody is told"},
		"a clock that is off": {func(_ *workshop, s *fakestripe.Server) {
			s.Now = func() time.Time { return time.Now().Add(-30 * time.Second) }
		},
			"Stripe's clock", doctor.Warning, "s ahead of Stripe's"},
		"a clock far off": {func(_ *workshop, s *fakestripe.Server) { s.Now = func() time.Time { return time.Now().Add(time.Hour) } },
			"Stripe's clock", doctor.Failure, "s behind Stripe's"},
		"no key":         {func(w *workshop, _ *fakestripe.Server) { delete(w.env, "STRIPE_API_KEY") }, "Stripe's API", doctor.Warning, "no key"},
		"a wrong key":    {func(_ *workshop, s *fakestripe.Server) { s.Key = "sk_test_another" }, "Stripe's API", doctor.Failure, "wrong, revoked or expired"},
		"a weak key":     {func(_ *workshop, s *fakestripe.Server) { s.Forbid("/v1/events", "rak_event_read") }, "Stripe's API", doctor.Failure, "rak_event_read"},
		"a test key":     {func(w *workshop, _ *fakestripe.Server) { w.env["GUICHET_ENV"] = "production" }, "Stripe's API", doctor.Failure, "test mode"},
		"no address":     {func(w *workshop, _ *fakestripe.Server) { delete(w.env, "GUICHET_URL") }, "webhook endpoint", doctor.Warning, "not known"},
		"no web address": {func(w *workshop, _ *fakestripe.Server) { w.env["GUICHET_URL"] = "billets.example.org" }, "webhook endpoint", doctor.Failure, "not one such as"},
		"another secret": {func(w *workshop, _ *fakestripe.Server) {
			w.env["STRIPE_WEBHOOK_SECRET"] = "whsec_" + strings.Repeat("x", 24)
		}, "ingester", doctor.Failure, "another webhook secret"},
		"no ingester":   {func(w *workshop, _ *fakestripe.Server) { w.env["GUICHET_URL"] = "http://127.0.0.1:1" }, "ingester", doctor.Failure, "cannot be reached"},
		"somebody else": {func(w *workshop, s *fakestripe.Server) { w.env["GUICHET_URL"] = s.URL }, "ingester", doctor.Failure, "something else answers there, with HTTP 401"},
		"an ingester that checks nothing": {func(w *workshop, _ *fakestripe.Server) {
			delete(w.env, "STRIPE_WEBHOOK_SECRET")
			w.env["GUICHET_URL"] = w.receive(w.env)
		}, "ingester", doctor.Warning, "checks no signatures"},
		"no endpoint": {func(_ *workshop, s *fakestripe.Server) {
			s.Add("", fakestripe.Endpoint("we_1", "https://example.org/stripe/webhooks", "*"))
		},
			"webhook endpoint", doctor.Failure, "knows none"},
		"no right to see it": {func(_ *workshop, s *fakestripe.Server) { s.Forbid("/v1/webhook_endpoints", "rak_webhook_read") }, "webhook endpoint", doctor.Warning, "rak_webhook_read"},
		"a disabled endpoint": {func(w *workshop, s *fakestripe.Server) {
			s.Add("", fakestripe.With(fakestripe.Endpoint("we_1", w.env["GUICHET_URL"], "*"), "status", "disabled"))
		}, "webhook endpoint", doctor.Failure, "we_1 is disabled"},
		"an endpoint of the other mode": {func(w *workshop, s *fakestripe.Server) {
			s.Add("", fakestripe.With(fakestripe.Endpoint("we_1", w.env["GUICHET_URL"], "*"), "livemode", true))
		}, "webhook endpoint", doctor.Failure, "another mode"},
		"types that are missing": {func(w *workshop, s *fakestripe.Server) {
			s.Add("", fakestripe.Endpoint("we_1", strings.ToUpper(w.env["GUICHET_URL"][:4])+w.env["GUICHET_URL"][4:]+"/stripe/webhooks/", "checkout.session.completed"))
		}, "endpoint's types", doctor.Failure, "charge.refunded, checkout.session.async_payment_failed"},
		"types that only inform": {func(w *workshop, s *fakestripe.Server) {
			decisive := slices.DeleteFunc(stripeevent.Types(), stripeevent.Informs)
			s.Add("", fakestripe.Endpoint("we_1", w.env["GUICHET_URL"]+"/stripe/webhooks", decisive...))
		}, "endpoint's types", doctor.Warning, "charge.dispute.updated"},
		"two endpoints": {func(w *workshop, s *fakestripe.Server) {
			s.Add("", fakestripe.Endpoint("we_2", w.env["GUICHET_URL"], "*"))
		},
			"endpoints of the address", doctor.Warning, "there are 2"},
		"none for connected accounts": {func(w *workshop, _ *fakestripe.Server) { w.env["STRIPE_ACCOUNTS"] = "acct_1" }, "endpoints of the address", doctor.Warning, "STRIPE_ACCOUNTS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, fake := shared.alike(t)
			if own[name] {
				w, fake = healthy(t)
			}
			test.spoil(w, fake)
			found, got := w.examined()
			if f := found[test.check]; f.Level != test.level || !strings.Contains(f.Detail, test.detail) {
				t.Errorf("%s: %+v, want a %s that says %q in\n%s", test.check, f, test.level, test.detail, got.stdout)
			}
			if test.level == doctor.Failure && (got.code != service.ExitFailed || !strings.Contains(got.stderr, "failure")) {
				t.Errorf("exit code %d, %s", got.code, got.stderr)
			}
		})
	}
}

func TestDoctor_TakesAnEndpointOfEachKindForOne(t *testing.T) {
	t.Parallel()
	w, fake := healthy(t)
	w.env["STRIPE_ACCOUNTS"] = "acct_1"
	fake.Add("", fakestripe.With(fakestripe.Endpoint("we_2", w.env["GUICHET_URL"], "*"), "application", "ca_1"))
	found, got := w.examined()
	if f := found["endpoints of the address"]; f.Level != doctor.OK {
		t.Errorf("%+v %+v", f, got)
	}
}

func TestDoctor_LooksAtNATSAsFarAsItMay(t *testing.T) {
	t.Parallel()
	w, _ := healthy(t)
	for name, test := range map[string]struct {
		monitor string
		level   doctor.Level
	}{
		"synced":      {monitoring(t, `{"config":{"sync_always":true,"sync_interval":120000000000}}`), doctor.OK},
		"not synced":  {monitoring(t, `{"config":{"sync_interval":120000000000}}`), doctor.Failure},
		"another's":   {monitoring(t, `{}`), doctor.Warning},
		"no JSON":     {monitoring(t, `hello`), doctor.Warning},
		"not there":   {"http://127.0.0.1:1", doctor.Warning},
		"no address":  {"%", doctor.Warning},
		"not told of": {"", doctor.Warning},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, _ := w.examined("--monitor=" + test.monitor)
			if f := found["JetStream sync"]; f.Level != test.level {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestDoctor_EndsInTimeWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.env = map[string]string{
		"NATS_URL": "nats://me:" + doctorPassword + "@" + mute(t), "DATABASE_URL": "postgres://me:" + doctorPassword + "@" + mute(t) + "/x",
		"SMTP_URL": "smtp://me:" + doctorPassword + "@" + mute(t), "MAIL_FROM": "a@example.org", "ADMIN_EMAIL": "a@example.org",
		"STRIPE_API_KEY": fakestripe.Key, "STRIPE_API_URL": "http://" + mute(t), "STRIPE_API_TIMEOUT": "1s", "GUICHET_URL": "http://" + mute(t),
	}
	begun := time.Now()
	found, got := w.examined()
	for _, check := range []string{"NATS", "PostgreSQL", "SMTP", "Stripe's API", "ingester"} {
		if f := found[check]; f.Level != doctor.Failure {
			t.Errorf("%s: %+v", check, f)
		}
	}
	if took := time.Since(begun); took > 45*time.Second || got.code != service.ExitFailed {
		t.Errorf("code %d after %s", got.code, took)
	}
}

func TestDoctor_StopsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := guichetIn(ctx, t.TempDir(), map[string]string{"DATABASE_URL": "postgres://127.0.0.1:1/x"}, "doctor")
	if got.code != service.ExitFailed || !strings.Contains(got.stderr, "not all was looked at") {
		t.Errorf("%+v", got)
	}
}

func TestDoctor_SaysWhatItMayNotSee(t *testing.T) {
	t.Parallel()
	w, _ := healthy(t)
	limited := restricted(t)
	js := as(t, limited, "admin")
	config := stream.Config{MaxAge: 840 * time.Hour, MaxBytes: 8 << 30, DuplicateWindow: 24 * time.Hour, Replicas: 1}
	if _, err := stream.Setup(t.Context(), js, config); err != nil {
		t.Fatal(err)
	}
	w.env["NATS_URL"] = login(t, limited, "operator")
	found, got := w.examined()
	if f := found["JetStream"]; f.Level != doctor.Warning || !strings.Contains(f.Detail, "may not see") {
		t.Errorf("%+v in\n%s", f, got.stdout)
	}
	if f := found["stream STRIPE_EVENTS"]; f.Level != doctor.OK {
		t.Errorf("%+v in\n%s", f, got.stdout)
	}
}
