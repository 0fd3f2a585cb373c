package worker

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
)

// reconciling gives the room's workers a Stripe, which they ask often.
func (r *room) reconciling() *fakestripe.Server {
	r.t.Helper()
	fake := r.asking()
	r.settings.Lookup.Rate = 100
	r.settings.ReconcileInterval = 200 * time.Millisecond
	return fake
}

func (r *room) streamHolds(want uint64) {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream.Events)
	if err != nil {
		r.t.Fatal(err)
	}
	if got := s.CachedInfo().State.Msgs; got != want {
		r.t.Errorf("the stream holds %d events, want %d", got, want)
	}
}

func TestWhatStripeCouldNotDeliverIsBroughtInAndSettled(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	fake := r.reconciling()
	r.register("reg-1", "reg-2")
	fake.Happened("", r.stripe.Payment("reg-1").Completed(simulate.At(time.Now().Add(-50*time.Hour))))
	w := r.work()
	r.status("reg-1", "PAID")
	w.says("An event of Stripe's never came, it is brought in")
	r.is("1", `SELECT count(*) FROM marks WHERE name = 'reconcile' AND at > now() - interval '1 minute'`)
	fake.Happened("", r.stripe.Payment("reg-2").Completed()) // later, too
	r.status("reg-2", "PAID")
	r.is("2", `SELECT count(*) FROM backfilled`)
	w.tells(`guichet_worker_backfilled_total 2`)
	r.streamHolds(2)
}

func TestAnEventThatIsADeadLetterEachTimeIsBroughtInOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	fake := r.reconciling()
	fake.AddEvent("", fakestripe.Object{"id": "evt_bad", "object": "event", "type": "charge.refunded", "created": time.Now().Unix()}, false)
	w := r.work()
	w.says("Event moved to the dead letters")
	before := len(fake.Requests("/v1/events"))
	r.eventually("two more runs", func() error {
		if n := len(fake.Requests("/v1/events")); n < before+3 {
			return fmt.Errorf("%d runs", n-before)
		}
		return nil
	})
	r.streamHolds(1)
	if n := len(r.letters()); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

func TestEachRunLooksWhereTheLastOneThatWentWellHadLooked(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	fake := r.reconciling()
	fake.Fail(1, http.StatusUnauthorized)
	w := r.work()
	w.says("A periodic task failed")
	w.says("A periodic task works again")
	r.eventually("four runs", func() error {
		if n := len(fake.Requests("/v1/events")); n < 4 {
			return fmt.Errorf("%d runs", n)
		}
		return nil
	})
	since := func(n int) time.Time {
		t.Helper()
		var seconds int64
		if _, err := fmt.Sscanf(fake.Requests("/v1/events")[n].Query, "created[gte]=%d", &seconds); err != nil {
			t.Fatal(err)
		}
		return time.Unix(seconds, 0)
	}
	for n, want := range []time.Duration{72 * time.Hour, 72 * time.Hour, time.Hour, time.Hour} {
		if age := time.Since(since(n)); age < want || age > want+time.Minute {
			t.Errorf("run %d looks %s back, want %s", n, age, want)
		}
	}
	if q := fake.Requests("/v1/events")[0].Query; !strings.Contains(q, "delivery_success=false") {
		t.Errorf("asked %s", q)
	}
}

func TestAWorkerThatMayNotPublishSaysSoAndGoesOn(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	fake := r.reconciling()
	r.settings.ReconcileInterval = time.Hour
	limited, err := localnats.Start(localnats.Options{Dir: t.TempDir(), Adjust: func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "a"},
			{Username: "worker", Password: "w", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"stripe.events.>"}}}},
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(limited.Stop)
	login := func(as string) string { return strings.Replace(limited.URL(), "nats://", "nats://"+as+"@", 1) }
	conn, err := stream.Dial(t.Context(), login("admin:a"), "admin", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if r.js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Setup(t.Context(), r.js, stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 28, DuplicateWindow: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	r.settings.NATS.URL = login("worker:w")
	r.register("reg-1", "reg-2", "reg-3")
	for _, id := range []string{"reg-1", "reg-2"} {
		fake.Happened("", r.stripe.Payment(id).Completed())
	}
	w := r.work()
	w.says("the user of NATS_URL may not publish stripe.events.>: a worker that reconciles needs that right, or RECONCILE_INTERVAL=0")
	r.publish(r.stripe.Payment("reg-3").Completed())
	r.status("reg-3", "PAID")
}

func TestStripeIsAskedForTheSessionsOfRegistrationsThatStayPending(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.settings.Accounts = []string{"acct_gone", "acct_club", "*"}
	fake := r.reconciling()
	later := []any{"expires_at", time.Now().Add(5 * time.Hour).Unix()}
	fake.Add("",
		fakestripe.With(fakestripe.Session("cs_paid", "complete", "paid", "pi_paid"), later...),
		fakestripe.Intent("pi_paid", "succeeded", "ch_paid"), fakestripe.Charge("ch_paid", "pi_paid"),
		fakestripe.With(fakestripe.Session("cs_unpaid", "complete", "unpaid", "pi_unpaid"), later...), fakestripe.Intent("pi_unpaid", "processing", ""),
		fakestripe.With(fakestripe.Session("cs_failed", "complete", "unpaid", "pi_failed"), later...), fakestripe.Intent("pi_failed", "requires_payment_method", ""),
		fakestripe.With(fakestripe.Session("cs_expired", "expired", "unpaid", ""), later...),
		fakestripe.With(fakestripe.Session("cs_open", "open", "unpaid", ""), later...),
		fakestripe.With(fakestripe.Session("cs_young", "complete", "paid", ""), later...),
	)
	fake.Add("acct_club", fakestripe.With(fakestripe.Session("cs_club", "complete", "paid", "pi_club"), later...), fakestripe.Intent("pi_club", "succeeded", ""))
	for _, name := range []string{"paid", "unpaid", "failed", "expired", "open", "club", "unknown"} {
		r.exec(`INSERT INTO registrations (id, event_id, email, created_at, checkout_session_id, checkout_expires_at)
			VALUES ('reg-' || $1, 'e', 'x@example.org', now() - interval '2 hours', 'cs_' || $1, now() + interval '5 hours')`, name)
	}
	r.exec(`INSERT INTO registrations (id, event_id, email, checkout_session_id) VALUES ('reg-young', 'e', 'x@example.org', 'cs_young')`)
	r.exec(`INSERT INTO registrations (id, event_id, email, created_at) VALUES ('reg-none', 'e', 'x@example.org', now() - interval '2 hours')`)
	r.work().says("STRIPE_ACCOUNTS=* names no connected account to ask for")
	for id, status := range map[string]string{
		"reg-paid": "PAID", "reg-unpaid": "PENDING", "reg-failed": "FAILED", "reg-expired": "EXPIRED", "reg-open": "PENDING", "reg-club": "PAID",
		"reg-unknown": "PENDING", "reg-none": "PENDING",
	} {
		r.is("true", `SELECT asked_at IS NOT NULL FROM registrations WHERE id = $1`, id)
		r.status(id, status)
	}
	r.is("payment_processing", `SELECT kind FROM stripe_events WHERE registration_id = 'reg-unpaid'`)
	r.is("0", `SELECT count(*) FROM stripe_events WHERE registration_id = 'reg-open'`)
	r.is("acct_club", `SELECT account FROM stripe_events WHERE registration_id = 'reg-club'`)
	r.is("PENDING", `SELECT status FROM registrations WHERE id = 'reg-young' AND asked_at IS NULL`)
	asked := len(fake.Requests("/v1/checkout/sessions/cs_open"))
	runs := len(fake.Requests("/v1/events"))
	r.eventually("two more runs", func() error {
		if n := len(fake.Requests("/v1/events")); n < runs+3*3 { // of three accounts
			return fmt.Errorf("%d", n-runs)
		}
		return nil
	})
	if n := len(fake.Requests("/v1/checkout/sessions/cs_open")); n != asked || asked == 0 { // more than once where the sweep held the row
		t.Errorf("asked %d times, then %d", asked, n)
	}
}

func TestWithoutAnAnswerPendingRegistrationsAreAskedAboutAgain(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	fake := r.reconciling()
	fake.Forbid("/v1/events", "rak_event_read") // which does not keep the sessions from being asked for
	r.exec(`INSERT INTO registrations (id, event_id, email, created_at, checkout_session_id) VALUES ('reg-1', 'e', 'x@example.org', now() - interval '2 hours', 'cs_1')`)
	fake.Add("", fakestripe.Session("cs_1", "complete", "paid", ""))
	fake.Forbid("/v1/checkout/sessions", "rak_checkout_session_read")
	w := r.work()
	w.says("rak_checkout_session_read")
	r.is("1", `SELECT count(*) FROM registrations WHERE asked_at IS NULL AND status = 'PENDING'`)
	w.stop()
	allowed := r.reconciling()
	allowed.Add("", fakestripe.Session("cs_1", "complete", "paid", ""))
	allowed.Forbid("/v1/events", "rak_event_read")
	r.work()
	r.status("reg-1", string(registration.PaidStatus))
}

func TestWithoutAKeyNothingIsReconciled(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.settings.ReconcileInterval = 10 * time.Millisecond
	w := r.work()
	r.exec(`INSERT INTO registrations (id, event_id, email, created_at, checkout_session_id) VALUES ('reg-1', 'e', 'x@example.org', now() - interval '2 hours', 'cs_1')`)
	r.is("1", `SELECT count(*) FROM registrations WHERE due_at IS NULL`)
	w.stop()
	if strings.Contains(w.logs.String(), `"task":"reconcile"`) {
		t.Error("it tried")
	}
	r.is("0", `SELECT count(*) FROM marks`)
}
