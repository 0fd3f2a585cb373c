package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/timeline"
)

func shows(t *testing.T, got result, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got.stdout, w) {
			t.Errorf("%q is not in\n%s%s", w, got.stdout, got.stderr)
		}
	}
	discreet(t, got)
}

func TestTrace_TellsWhatASupporterAsks(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	w.work()
	payment := w.stripe.Payment("reg-1")
	w.publish(payment.Failed(simulate.CardDeclined()))
	w.is("FAILED", `SELECT status FROM registrations WHERE id = 'reg-1'`)
	w.publish(payment.Completed())
	w.is("2", `SELECT count(*)::text FROM notifications WHERE status <> 'pending'`)
	w.eventually("all is acknowledged", func() error {
		if r, _ := w.report(); r.Stream.Pending+r.Stream.InWork > 0 {
			return errors.New("not yet")
		}
		return nil
	})
	for _, id := range []string{"reg-1", payment.Session, payment.Intent} {
		got := w.guichet("trace", id)
		if got.code != service.ExitOK || got.stderr != "" {
			t.Errorf("%s: %+v", id, got)
		}
		shows(t, got, `Registration reg-1 for "Concert" (e)`, `registered for "Concert" (e)`, "failed: Your card was declined. (card_declined, generic_decline)",
			"→ PAID, because the payment of €45.00 with "+payment.Intent+" stands", "payment_confirmed ("+payment.Intent+") to the participant: sent",
			"PAID, its place is held.", "Nothing: it stays so unless something new comes.")
	}
	got := w.guichet("trace", "reg-1", "--output", "json")
	var told traced
	if err := json.Unmarshal([]byte(got.stdout), &told); err != nil || told.ID != "reg-1" || told.Registration.Status != "PAID" || len(told.Lines) < 5 ||
		len(told.Payments) != 1 || told.Payments[0].Amount != "€45.00" || told.State != "PAID, its place is held." || len(told.Waiting) != 1 {
		t.Errorf("%v %s", err, got.stdout)
	}
	discreet(t, got)
}

func TestTrace_KnowsWhatNoWorkerHasProcessedYet(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	payment := w.stripe.Payment("reg-1")
	event := payment.Completed()
	w.publish(w.stripe.Thin(), event)
	w.counted()
	for _, id := range []string{"reg-1", payment.Session, event.ID} {
		got := w.guichet("trace", id)
		if got.code != service.ExitOK {
			t.Errorf("%s: %+v", id, got)
		}
		shows(t, got, "checkout.session.completed: in the stream, not processed yet", event.ID+", sequence 2",
			"A worker: 1 event about it is stored and not processed yet. The workers are 2 events behind (guichet status).")
	}
	shows(t, w.guichet("trace", "reg-1"), "the platform made or changed the row", "PENDING, its place is held.")
	shows(t, w.guichet("trace", payment.Session), "no registration", "Not processed yet.")
}

func TestTrace_LeavesOutWhatAWorkerProcessedWhileItLooked(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	event := w.stripe.Payment("reg-1").Completed()
	w.publish(event)
	db, err := store.Open(t.Context(), w.env["DATABASE_URL"], store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	story, err := db.Story(t.Context(), "reg-1") // as it was before
	if err != nil || len(story.Events) > 0 {
		t.Fatalf("%+v (%v)", story, err)
	}
	w.work()
	w.is("PAID", `SELECT status FROM registrations WHERE id = 'reg-1'`)
	b := timeline.Beyond{Unprocessed: []timeline.Stored{{ID: event.ID}, {ID: "evt_other"}, {ID: "evt_dead"}}, Dead: []timeline.Stored{{ID: "evt_dead"}}}
	if err := (tracing{id: "reg-1", db: db}).processedMeanwhile(t.Context(), &story, &b); err != nil {
		t.Fatal(err)
	}
	if len(b.Unprocessed) != 1 || b.Unprocessed[0].ID != "evt_other" || len(story.Events) != 1 {
		t.Errorf("%+v, %d events", b, len(story.Events))
	}
}

func TestTrace_FindsDeadLettersAndIgnoredEvents(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	w.work()
	elsewhere := w.stripe.Payment("reg-1")
	w.publish(elsewhere.Completed(simulate.OnAccount("acct_other")))
	w.store([]byte(`{"id":"evt_odd","type":"checkout.session.completed","created":1700000000,"data":{"object":{"id":"cs_odd","payment_status":"maybe","metadata":{"registrationId":"reg-1"}}}}`))
	w.holds("STRIPE_DEAD_LETTERS", 1)
	w.is("1", `SELECT count(*)::text FROM stripe_events WHERE outcome = 'ignored'`)
	w.is("1", `SELECT count(*)::text FROM registrations WHERE due_at IS NULL`)
	got := w.guichet("trace", "reg-1")
	shows(t, got, "evt_odd", `payment_status is "maybe"`, "A person: evt_odd is a dead letter.")
	if strings.Contains(got.stdout, "STRIPE_ACCOUNTS") {
		t.Errorf("what was ignored is not looked for:\n%s", got.stdout)
	}
	shows(t, w.guichet("trace", "cs_odd"), "It could not be settled.", "evt_odd")
	shows(t, w.guichet("trace", "reg-1", "--search"), "ignored, account not in STRIPE_ACCOUNTS", "A person: evt_odd is a dead letter.", "PENDING")
	shows(t, w.guichet("trace", elsewhere.Session), "Ignored: account not in STRIPE_ACCOUNTS.", "it names registration reg-1")
}

func TestTrace_SaysWhatToCheckWhereNothingIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.publish(w.stripe.Payment("reg-1").Completed())
	got := w.guichet("trace", "reg-unknown")
	if got.code != service.ExitFailed || got.stdout != "" {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{"reg-unknown is known neither to the database nor to the stream", "registrationId", "payment_intent_data", "row exist under", "log when it made the"} {
		if !strings.Contains(strings.ReplaceAll(got.stderr, "\n  ", " "), want) {
			t.Errorf("%q is not in\n%s", want, got.stderr)
		}
	}
}

func TestTrace_TellsWhatTheDatabaseKnowsWhileNATSIsAway(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	env := map[string]string{"NATS_URL": "nats://me:hunter2@127.0.0.1:1", "DATABASE_URL": w.env["DATABASE_URL"]}
	got := guichet(t, env, "trace", "reg-1")
	if got.code != service.ExitFailed || !strings.Contains(got.stdout, "PENDING, its place is held.") ||
		!strings.Contains(got.stderr, "what the stream holds beside this is not known: reach NATS at 127.0.0.1:1") || strings.Contains(got.stderr, "hunter2") {
		t.Errorf("%+v", got)
	}
	unknown := guichet(t, env, "trace", "reg-2")
	if unknown.code != service.ExitFailed || unknown.stdout != "" || !strings.Contains(unknown.stderr, "reach NATS") {
		t.Errorf("%+v", unknown)
	}
	asJSON := guichet(t, env, "trace", "reg-1", "-o", "json")
	var told traced
	if err := json.Unmarshal([]byte(asJSON.stdout), &told); err != nil || told.NATSAway == "" || asJSON.code != service.ExitFailed {
		t.Errorf("%v %+v", err, asJSON)
	}
	env["DATABASE_URL"] = "postgres://me:hunter2@127.0.0.1:1/guichet"
	if got := guichet(t, env, "trace", "reg-1"); got.code != service.ExitFailed || !strings.Contains(got.stderr, "127.0.0.1:1") || strings.Contains(got.stderr, "hunter2") {
		t.Errorf("%+v", got)
	}
}
