package worker

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
	"github.com/educareschool/guichet/pkg/simulate"
)

// asking gives the room's workers a key, and a Stripe to ask.
func (r *room) asking() *fakestripe.Server {
	r.t.Helper()
	stripe := fakestripe.New(r.t)
	r.settings.Lookup.Key, r.settings.Lookup.URL = fakestripe.Key, stripe.URL
	return stripe
}

// overdue inserts a registration whose session's time is over, as far as the platform knows.
func (r *room) overdue(id, session string) {
	r.t.Helper()
	r.exec(`INSERT INTO registrations (id, event_id, email, checkout_session_id, checkout_created_at, checkout_expires_at)
		VALUES ($1, 'e', 'x@example.org', $2, now() - interval '26 hours', now() - interval '2 hours')`, id, session)
}

func TestCleanupAsksStripeForTheSessionFirst(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	stripe := r.asking()
	metadata := func(id string) []any {
		return []any{"metadata", fakestripe.Object{"registrationId": id}, "expires_at", time.Now().Add(5 * time.Hour).Unix()}
	}
	stripe.Add("",
		fakestripe.With(fakestripe.Session("cs_paid", "complete", "paid", "pi_paid"), metadata("reg-paid")...),
		fakestripe.Intent("pi_paid", "succeeded", "ch_paid"), fakestripe.Charge("ch_paid", "pi_paid"),
		fakestripe.With(fakestripe.Session("cs_unpaid", "complete", "unpaid", "pi_unpaid"), metadata("reg-unpaid")...),
		fakestripe.Intent("pi_unpaid", "processing", ""),
		fakestripe.With(fakestripe.Session("cs_expired", "expired", "unpaid", ""), metadata("reg-expired")...),
		fakestripe.With(fakestripe.Session("cs_open", "open", "unpaid", ""), metadata("reg-open")...),
		fakestripe.With(fakestripe.Session("cs_setup", "complete", "no_payment_required", ""), append(metadata("reg-setup"), "mode", "setup")...),
	)
	for _, name := range []string{"paid", "unpaid", "expired", "open", "setup", "unknown"} {
		r.overdue("reg-"+name, "cs_"+name)
	}
	w := r.work()
	r.status("reg-paid", "PAID")
	r.status("reg-expired", "EXPIRED")
	r.is("payment_processing", `SELECT kind FROM stripe_events WHERE registration_id = 'reg-unpaid'`)
	r.is("PENDING true", `SELECT status || ' ' || seat_held FROM registrations WHERE id = 'reg-unpaid' AND deadline IS NULL`)
	r.is("PENDING true", `SELECT status || ' ' || seat_held FROM registrations WHERE id = 'reg-open' AND deadline > now() + interval '5 hours'`)
	w.says("A registration past its deadline is left as it is")
	for _, id := range []string{"reg-setup", "reg-unknown"} {
		r.is("PENDING true", `SELECT status || ' ' || seat_held FROM registrations WHERE id = $1 AND due_at IS NULL`, id)
	}
	r.is("lookup", `SELECT source FROM stripe_events WHERE registration_id = 'reg-paid'`)
	r.is("0", `SELECT count(*) FROM stripe_events WHERE source = 'clock'`)
}

func TestAMailAboutWhatStripeAnsweredLinksToWhereThatIs(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.settings.Accounts, r.settings.Mail.AdminLocale = []string{"acct_club"}, "en"
	stripe := r.asking()
	stripe.Add("acct_club",
		fakestripe.With(fakestripe.Session("cs_1", "complete", "paid", "pi_1"), "livemode", true),
		fakestripe.With(fakestripe.Intent("pi_1", "succeeded", "ch_1"), "livemode", true), fakestripe.With(fakestripe.Charge("ch_1", "pi_1"), "livemode", true))
	r.exec(`INSERT INTO registrations (id, event_id, email, amount_due, currency, checkout_session_id, checkout_expires_at)
		VALUES ('reg-1', 'e', 'x@example.org', 1, 'eur', 'cs_1', now() + interval '3 days')`)
	r.work()
	p := r.stripe.Payment("reg-1")
	p.Session, p.Intent = "cs_1", "pi_1"
	r.publish(p.RequiresAction(simulate.OnAccount("acct_club"), simulate.Live()))
	r.drained()
	r.exec(`UPDATE registrations SET checkout_expires_at = now() - interval '3 hours'`)
	got := r.letter("reg-1", "attention")
	if !strings.Contains(got.text, "https://dashboard.stripe.com/acct_club/payments/pi_1\r\n") || strings.Contains(got.text, "test mode") {
		t.Errorf("it says\n%s", got.text)
	}
}

func TestWithoutAnAnswerOfStripesNobodyIsReleased(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure fakestripe.Failure
		reason  string
	}{
		"down":         {fakestripe.Failure{Status: http.StatusInternalServerError}, "it has trouble of its own"},
		"rate-limited": {fakestripe.Failure{Status: http.StatusTooManyRequests, RetryAfter: "1"}, "it limits the rate of requests"},
		"wrong key":    {fakestripe.Failure{Status: http.StatusUnauthorized}, "STRIPE_API_KEY is wrong, revoked or expired"},
		"no answer":    {fakestripe.Failure{}, "no answer within STRIPE_API_TIMEOUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.settings.ReconcileInterval = 0 // cleanup alone asks, and meets the failure
			stripe := r.asking()
			stripe.Add("", fakestripe.Session("cs_1", "expired", "unpaid", ""), fakestripe.Session("cs_2", "expired", "unpaid", ""))
			again := func() {}
			if c.failure.Status == 0 {
				r.settings.Lookup.Timeout, again = 300*time.Millisecond, stripe.Hold()
			} else {
				stripe.FailWith(2, c.failure)
			}
			r.overdue("reg-1", "cs_1")
			r.overdue("reg-2", "cs_2")
			// Of this one Stripe knows nothing: it need not wait.
			r.exec(`INSERT INTO registrations (id, event_id, email, created_at) VALUES ('reg-3', 'e', 'x@example.org', now() - interval '26 hours')`)
			w := r.work()
			w.says("A periodic task failed")
			w.says(c.reason)
			r.status("reg-3", "EXPIRED")
			again()
			r.status("reg-1", "EXPIRED") // once Stripe answers again
			r.status("reg-2", "EXPIRED")
			r.is("reg-3", `SELECT string_agg(registration_id, ' ') FROM stripe_events WHERE source = 'clock'`)
		})
	}
}

func TestStripeIsAskedWhileNothingIsLocked(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	stripe := r.asking()
	stripe.Add("", fakestripe.Session("cs_1", "expired", "unpaid", ""))
	release := stripe.Hold()
	r.overdue("reg-1", "cs_1")
	r.publish(r.stripe.Payment("").Disputed())
	r.work()
	stripe.AwaitInHand(2) // cleanup's and that about the dispute
	r.is("0", `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'guichet' AND state LIKE 'idle in transaction%' AND xact_start < now() - interval '200 ms'`)
	r.eventually("nothing is locked for as long as Stripe is asked", func() error { // a sweep may be at it just now
		_, err := r.db.Exec(`DO $$ BEGIN
			PERFORM FROM registrations WHERE id = 'reg-1' FOR UPDATE NOWAIT;
			PERFORM FROM events FOR UPDATE NOWAIT;
			PERFORM FROM stripe_events FOR UPDATE NOWAIT;
		END $$`)
		return err
	})
	release()
	r.status("reg-1", "EXPIRED")
}

func TestAFailedPaymentsPlaceIsReleasedAlthoughItsSessionIsStillOpen(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	stripe := r.asking()
	p := r.stripe.Payment("reg-1")
	stripe.Add("", fakestripe.With(fakestripe.Session(p.Session, "open", "unpaid", p.Intent), "expires_at", time.Now().Add(time.Hour).Unix()),
		fakestripe.Intent(p.Intent, "requires_payment_method", ""))
	r.register("reg-1")
	r.exec(`UPDATE registrations SET checkout_session_id = $1 WHERE id = 'reg-1'`, p.Session)
	r.work()
	r.publish(p.Failed(simulate.CardDeclined(), simulate.At(time.Now().Add(-25*time.Hour))))
	r.is("FAILED false", `SELECT status || ' ' || seat_held FROM registrations WHERE id = 'reg-1'`)
}

func TestADisputeWithoutMetadataOrIntentFindsItsRegistrationByAsking(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	stripe := r.asking()
	p := r.stripe.Payment("reg-1")
	stripe.Add("", fakestripe.With(fakestripe.Charge(p.Charge, p.Intent), "metadata", fakestripe.Object{}),
		fakestripe.With(fakestripe.Intent(p.Intent, "succeeded", p.Charge), "metadata", fakestripe.Object{"registrationId": "reg-1"}))
	w := r.work()
	r.publish(p.Disputed(simulate.WithoutIntent(), simulate.WithoutMetadata())) // before its payment, and before its row
	r.is("located", `SELECT kind FROM stripe_events WHERE source = 'lookup'`)
	r.register("reg-1")
	w.says("⚖️  Chargeback handled for registration: reg-1")
	r.publish(p.Completed())
	r.is("FAILED dispute", `SELECT status || ' ' || cause FROM registrations WHERE paid_at IS NULL AND seat_held`)
	r.is("sent", `SELECT status FROM notifications WHERE kind = 'dispute_opened'`)
}

func TestWithoutAKeyADisputeIsSettledAsSoonAsAFactTiesIt(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	r.work()
	p := r.stripe.Payment("reg-1")
	r.publish(p.Disputed(simulate.WithoutIntent(), simulate.WithoutMetadata()), p.Completed())
	r.status("reg-1", "PAID")
	r.publish(p.Succeeded(simulate.WithoutMetadata())) // it names the intent and the charge
	r.is("FAILED dispute", `SELECT status || ' ' || cause FROM registrations`)
}

func TestAConnectedAccountsSessionIsAskedForWithThatAccount(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.settings.Accounts = []string{"acct_club"}
	stripe := r.asking()
	p := r.stripe.Payment("reg-1")
	stripe.Add("acct_club", fakestripe.Session(p.Session, "expired", "unpaid", p.Intent), fakestripe.Intent(p.Intent, "canceled", ""))
	r.exec(`INSERT INTO registrations (id, event_id, email, checkout_session_id, checkout_expires_at)
		VALUES ('reg-1', 'e', 'x@example.org', $1, now() + interval '3 days')`, p.Session)
	r.work()
	r.publish(p.RequiresAction(simulate.OnAccount("acct_club")))
	r.drained()
	r.exec(`UPDATE registrations SET checkout_expires_at = now() - interval '3 hours' WHERE id = 'reg-1'`)
	r.is("1", `SELECT count(*) FROM registrations WHERE status IN ('EXPIRED', 'CANCELED')`)
	for _, request := range stripe.Requests("/v1/checkout/sessions/") {
		if request.Account != "acct_club" {
			t.Errorf("asked with account %q", request.Account)
		}
	}
}

func TestWhatStaysUnexplainedIsToldToTheAdminOnceAndClearsWithItsCause(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-intent")
	r.work()
	unknown, dispute, intent := r.stripe.Payment("reg-unknown"), r.stripe.Payment(""), r.stripe.Payment("reg-intent")
	r.publish(unknown.Completed(), dispute.Disputed(), intent.Succeeded(), r.stripe.Payment("").Completed())
	r.drained()
	r.is("0", `SELECT count(*) FROM attention`)
	r.exec(`UPDATE stripe_events SET stored_at = stored_at - interval '16 minutes'`)
	for flag, of := range map[string]string{
		"unknown_registration": "fact_id", "unlinked_dispute": "fact_id", "unconfirmed_payment": "registration_id",
	} {
		r.is("1", `SELECT count(*) FROM attention WHERE flag = $1 AND cleared_at IS NULL AND `+of+` IS NOT NULL`, flag)
		r.is("sent", `SELECT status FROM notifications WHERE slot LIKE 'attention:' || $1 || ':%'`, flag)
	}
	r.is("3", `SELECT count(*) FROM attention`)
	r.is("{unconfirmed_payment}", `SELECT attention FROM registrations WHERE id = 'reg-intent'`)
	r.register("reg-unknown")
	r.status("reg-unknown", "PAID")
	r.publish(intent.Completed())
	r.status("reg-intent", "PAID")
	r.is("{}", `SELECT attention FROM registrations WHERE id = 'reg-intent'`)
	r.is("unlinked_dispute", `SELECT string_agg(flag, ',') FROM attention WHERE cleared_at IS NULL`)
	r.is("3", `SELECT count(*) FROM notifications WHERE kind = 'attention'`)
}

func TestOldTombstonesLoseTheirPersonalDataAndAPaymentStillRestoresThem(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-old", "reg-new")
	r.work()
	old := r.stripe.Payment("reg-old")
	r.publish(old.Canceled("abandoned"), r.stripe.Payment("reg-new").Canceled("abandoned"))
	r.is("2", `SELECT count(*) FROM notifications WHERE status = 'sent'`)
	r.exec(`UPDATE registrations SET removed_at = removed_at - interval '31 days', name = 'Somebody' WHERE id = 'reg-old'`)
	r.is("", `SELECT email || coalesce(name, '') FROM registrations WHERE id = 'reg-old'`)
	r.is("reg-new@example.org", `SELECT email FROM registrations WHERE id = 'reg-new'`)
	r.publish(old.Completed())
	r.status("reg-old", "PAID")
	r.is("dropped", `SELECT status FROM notifications WHERE kind = 'payment_confirmed'`) // nobody is left to write to
}
