package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// Bugs that systems like this one have had, each named by the report of it.

// dj-stripe#832: the event's row was saved before its handler ran, so that the retry of a failed one did nothing.
func TestAFailedSettlingLeavesNoEventRowAndItsRetrySettles(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	r.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '53100'; END $$`)
	r.exec(`CREATE TRIGGER refuse BEFORE INSERT ON registration_history FOR EACH ROW EXECUTE FUNCTION refuse()`)
	w := r.work()
	r.publish(r.stripe.Payment("reg-1").Completed())
	w.says("The database did not take a batch")
	r.is("0", `SELECT count(*) FROM stripe_events`)
	r.exec(`DROP TRIGGER refuse ON registration_history`)
	r.status("reg-1", "PAID")
}

// exercism#1702: the signature was verified again in the worker, which fails 300 s after it was made.
func TestAnEventThatWaitedForDaysInTheStreamIsSettled(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	r.publish(r.stripe.Payment("reg-1").Completed(simulate.At(time.Now().Add(-50 * time.Hour))))
	r.work()
	r.status("reg-1", "PAID")
}

// woocommerce-gateway-stripe#5251: an event whose order was not found was acknowledged for good.
func TestAnEventWhoseRegistrationIsNotThereIsKeptUntilItIs(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.work()
	r.publish(r.stripe.Payment("reg-1").Completed())
	r.drained()
	r.is("waiting", `SELECT outcome FROM stripe_events`)
	r.register("reg-1")
	r.status("reg-1", "PAID")
	r.is("settled", `SELECT outcome FROM stripe_events`)
}

// pay#612: a redelivery mailed twice. convene#1656: a later step that failed mailed again.
func TestNeitherARedeliveryNorAFailingLaterStepMailsTwice(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	r.exec(`CREATE SEQUENCE tries`)
	r.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF nextval('tries') < 3 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '53100'; END IF; RETURN NULL; END $$`)
	r.exec(`CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON registrations DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		WHEN (NEW.status = 'PAID') EXECUTE FUNCTION refuse()`)
	r.work()
	paid := r.stripe.Payment("reg-1").Completed()
	r.publish(paid)
	r.status("reg-1", "PAID")
	r.store(paid.ID+"-again", paid.Type, paid.Body) // past JetStream's memory of ids
	r.store(paid.ID+"-and-again", paid.Type, paid.Body)
	r.drained()
	r.is("sent", `SELECT status FROM notifications`)
	r.is("1", `SELECT count(*) FROM notifications`)
	r.is("1", `SELECT count(*) FROM registration_history`)
	if files := r.mails(); len(files) != 1 {
		t.Errorf("%d mails, want 1", len(files))
	}
}

// vendure#2270: the locale was lost on the way through the webhook.
func TestMailsAreInTheRegistrationsLanguage(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-fr", "reg-en")
	r.exec(`UPDATE registrations SET locale = 'en' WHERE id = 'reg-en'`)
	r.work()
	r.publish(r.stripe.Payment("reg-fr").Completed(), r.stripe.Payment("reg-en").Completed())
	r.is("2", `SELECT count(*) FROM notifications WHERE status = 'sent'`)
	languages := map[string]string{}
	for _, mail := range r.mails() {
		to := "reg-fr"
		if strings.Contains(mail, "reg-en@example.org") {
			to = "reg-en"
		}
		for line := range strings.Lines(mail) {
			if value, ok := strings.CutPrefix(line, "Content-Language: "); ok {
				languages[to] = strings.TrimSpace(value)
			}
		}
	}
	if languages["reg-fr"] != "fr" || languages["reg-en"] != "en" {
		t.Errorf("languages %v", languages)
	}
}

// woocommerce-gateway-stripe#5691: the cleanup canceled orders that had been charged.
func TestCleanupLeavesAloneWhoHasPaidAfterTheDeadline(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.exec(`INSERT INTO registrations (id, event_id, email, checkout_session_id, checkout_expires_at)
		SELECT 'reg-' || n, 'e', 'x@example.org', 'cs_' || n, now() - interval '3 hours' FROM generate_series(1, 40) n`)
	for i := range 40 {
		if i%2 == 0 {
			r.publish(r.stripe.Payment(fmt.Sprintf("reg-%d", i+1)).Completed())
		}
	}
	r.work()
	r.is("20", `SELECT count(*) FROM registrations WHERE status = 'PAID'`)
	r.is("20", `SELECT count(*) FROM registrations WHERE status = 'EXPIRED'`)
	r.is("0", `SELECT count(*) FROM registration_history WHERE to_status = 'EXPIRED' AND registration_id IN
		(SELECT id FROM registrations WHERE status = 'PAID')`)
}

// stripe-go#1495, openmeter#2080: the SDK's check of the API version refused every event.
func TestAnEventOfAnotherAPIVersionIsSettled(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	r.work()
	r.publish(r.stripe.Payment("reg-1").Completed(simulate.WithAPIVersion("2031-01-01.future")))
	r.status("reg-1", "PAID")
	r.is("2031-01-01.future", `SELECT api_version FROM stripe_events`)
}

// Hi.Events#218: a seat was freed twice. Hi.Events#466: it was never freed.
func TestASeatIsFreedOnceHoweverOftenItsEndIsTold(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1", "reg-2")
	r.work()
	p := r.stripe.Payment("reg-1")
	canceled, expired := p.Canceled("abandoned"), p.SessionExpired()
	r.publish(canceled, expired)
	r.store(canceled.ID+"-again", canceled.Type, canceled.Body)
	r.status("reg-1", "CANCELED")
	r.drained()
	r.is("1", `SELECT seats_held FROM events`)
	r.is("1", `SELECT count(*) FROM notifications`)
}

// mails returns what is in the mailbox.
func (r *room) mails() []string {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.settings.Mail.Mailbox, "*.eml"))
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, string(content))
	}
	return out
}
