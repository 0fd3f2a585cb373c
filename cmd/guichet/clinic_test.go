package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-smtp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/cmd/guichet/internal/doctor"
	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

const (
	doctorSecret   = "whsec_0123456789abcdefghijkl"
	doctorPassword = "s3cretpassword"
)

// receive runs an ingester until the test ends, and returns where it receives webhooks.
func (w *workshop) receive(env map[string]string) string {
	w.t.Helper()
	env = maps.Clone(env)
	env["LISTEN_ADDR"], env["ADMIN_ADDR"] = "127.0.0.1:0", "127.0.0.1:0"
	var set ingest.Settings
	if err := settings.Load(&set, settings.Source{Env: env}); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan ingest.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- ingest.Run(ctx, ingest.Options{
			Settings: set, Log: zap.NewNop(), Registry: prometheus.NewRegistry(), Started: func(a ingest.Addresses) { started <- a },
		})
	}()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the ingester ended with %v", err)
		}
	})
	return "http://" + (<-started).Public
}

// mailless is an SMTP session that is sent no mail.
type mailless struct{ mails *atomic.Int32 }

func (m mailless) Mail(string, *smtp.MailOptions) error { m.mails.Add(1); return nil }
func (mailless) Rcpt(string, *smtp.RcptOptions) error   { return nil }
func (mailless) Data(io.Reader) error                   { return nil }
func (mailless) Reset()                                 {}
func (mailless) Logout() error                          { return nil }

// smtpHost runs an SMTP server, and counts those who say hello and the mails that they begin.
func (w *workshop) smtpHost() (address string, greeted, mails *atomic.Int32) {
	w.t.Helper()
	greeted, mails = new(atomic.Int32), new(atomic.Int32)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		greeted.Add(1)
		return mailless{mails}, nil
	}))
	server.ErrorLog = log.New(io.Discard, "", 0)
	listener, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	w.t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return listener.Addr().String(), greeted, mails
}

// healthy is a workshop in which nothing is wrong but that its database does not sync, with its Stripe.
func healthy(t *testing.T) (*workshop, *fakestripe.Server) {
	t.Helper()
	w := newWorkshop(t)
	w.env["STRIPE_WEBHOOK_SECRET"] = doctorSecret
	w.env["GUICHET_URL"] = w.receive(w.env)
	w.env["ADMIN_EMAIL"] = "admin@example.org"
	return w.alike(t)
}

// alike is the same workshop with settings and a Stripe of its own.
func (w *workshop) alike(t *testing.T) (*workshop, *fakestripe.Server) {
	t.Helper()
	other := *w
	other.t, other.env = t, maps.Clone(w.env)
	other.env["MAILBOX_DIR"] = t.TempDir()
	fake := other.asking()
	fake.Add("", fakestripe.Endpoint("we_1", w.env["GUICHET_URL"]+"/stripe/webhooks", stripeevent.Types()...))
	return &other, fake
}

// examined is what doctor found, by check; a check that found several things has the worst.
func (w *workshop) examined(args ...string) (map[string]doctor.Finding, result) {
	w.t.Helper()
	got := w.guichet(append([]string{"doctor", "-o", "json"}, args...)...)
	var found []doctor.Finding
	if err := json.Unmarshal([]byte(got.stdout), &found); err != nil {
		w.t.Fatalf("%v %+v", err, got)
	}
	byCheck := map[string]doctor.Finding{}
	rank := []doctor.Level{doctor.OK, doctor.Warning, doctor.Failure}
	for _, f := range found {
		if (f.Level == doctor.OK) != (f.Do == "") || f.Detail == "" || !slices.Contains(rank, f.Level) {
			w.t.Errorf("%+v", f)
		}
		if before, again := byCheck[f.Check]; !again || slices.Index(rank, f.Level) > slices.Index(rank, before.Level) {
			byCheck[f.Check] = f
		}
	}
	for _, secret := range []string{doctorSecret, doctorPassword, fakestripe.Key} {
		if strings.Contains(got.stdout+got.stderr, secret) {
			w.t.Errorf("%s is told:\n%s%s", secret, got.stdout, got.stderr)
		}
	}
	return byCheck, got
}

// monitoring answers as nats-server's does.
func monitoring(t *testing.T, answer string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/jsz" || r.URL.Query().Get("config") != "true" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// restricted is a NATS server whose operator may not see the account's limits.
func restricted(t *testing.T) string {
	t.Helper()
	s, err := localnats.Start(localnats.Options{Dir: t.TempDir(), Lazy: true, Adjust: func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: doctorPassword},
			{Username: "operator", Password: doctorPassword, Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Deny: []string{"$JS.API.INFO"}},
			}},
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s.URL()
}

func login(t *testing.T, natsURL, user string) string {
	t.Helper()
	u, err := url.Parse(natsURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, doctorPassword)
	return u.String()
}

func as(t *testing.T, natsURL, user string) jetstream.JetStream {
	t.Helper()
	conn, err := stream.Dial(t.Context(), login(t, natsURL, user), user, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
