package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/stream"
)

// undecodable is an event that can never be settled as it is.
func undecodable(id, eventType string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"object":"event","type":%q,"created":1790000000,"data":{"object":{"customer_email":"ada@example.org"}}}`, id, eventType)
}

func TestDead_ListsAndShowsWhatCouldNotBeSettled(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	if got := w.guichet("dead"); got.code != service.ExitOK || got.stdout != "There are no dead letters.\n" {
		t.Fatalf("%+v", got)
	}
	stop := w.work()
	w.store(undecodable("evt_1", "charge.refunded"))
	w.store(undecodable("evt_2", "payment_intent.canceled"))
	w.holds(stream.DeadLetters, 2)
	stop()

	list := w.guichet("dead", "list")
	lines := strings.Split(strings.TrimSpace(list.stdout), "\n")
	if list.code != service.ExitOK || len(lines) != 3 || strings.Join(strings.Fields(lines[0]), " ") != "SEQUENCE DIED TYPE EVENT DELIVERIES REASON" ||
		!strings.Contains(lines[1], "evt_1") || !strings.Contains(lines[1], "the charge has no id") || !strings.Contains(lines[2], "payment_intent.canceled") {
		t.Errorf("%+v", list)
	}
	var letters []letter
	of := w.guichet("dead", "list", "--type", "charge.*", "--output", "json")
	if err := json.Unmarshal([]byte(of.stdout), &letters); err != nil || len(letters) != 1 || letters[0].Event != "evt_1" ||
		letters[0].Stream != 1 || letters[0].Deliveries == 0 || letters[0].DiedAt.IsZero() || letters[0].ReceivedAt.IsZero() || letters[0].Body != nil {
		t.Errorf("%v %+v", err, of)
	}
	if got := w.guichet("dead", "list", "--limit", "1"); strings.Contains(got.stdout, "evt_1") || !strings.Contains(got.stdout, "evt_2") {
		t.Errorf("%+v", got)
	}

	masked, raw := w.guichet("dead", "show", "evt_1"), w.guichet("dead", "show", "1", "--raw")
	if masked.code != service.ExitOK || !strings.Contains(masked.stdout, `"id": "evt_1"`) || strings.Contains(masked.stdout, "ada@") || !strings.Contains(masked.stdout, "the charge has no id") {
		t.Errorf("%+v", masked)
	}
	if raw.code != service.ExitOK || !strings.Contains(raw.stdout, string(undecodable("evt_1", "charge.refunded"))) {
		t.Errorf("%+v", raw)
	}
	var shown letter
	whole := w.guichet("dead", "show", "evt_2", "-o", "json")
	if err := json.Unmarshal([]byte(whole.stdout), &shown); err != nil || shown.Event != "evt_2" || !strings.Contains(string(shown.Body), `"***"`) {
		t.Errorf("%v %+v", err, whole)
	}
	if got := w.guichet("dead", "show", "evt_3"); got.code != service.ExitFailed || !strings.Contains(got.stderr, "no dead letter is of the event evt_3") {
		t.Errorf("%+v", got)
	}
}

func TestDead_AfterTheCauseIsMendedEachIsProcessedOnce(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1", "reg-2", "reg-3")
	w.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$`)
	w.exec(`CREATE TRIGGER refuse BEFORE UPDATE OF status ON registrations FOR EACH ROW WHEN (NEW.id <> 'reg-3') EXECUTE FUNCTION refuse()`)
	w.work()
	for _, id := range []string{"reg-1", "reg-2", "reg-3"} {
		w.publish(w.stripe.Payment(id).Completed())
	}
	w.holds(stream.DeadLetters, 2)
	w.is("reg-3", `SELECT string_agg(id, ' ') FROM registrations WHERE status = 'PAID'`)

	w.exec(`DROP TRIGGER refuse ON registrations`)
	got := w.guichet("dead", "redrive", "--all", "--yes", "--by", "Ada")
	if got.code != service.ExitOK || strings.Count(got.stdout, "redriven ") != 2 {
		t.Fatalf("%+v", got)
	}
	w.is("reg-1 reg-2 reg-3", `SELECT string_agg(id, ' ' ORDER BY id) FROM registrations WHERE status = 'PAID'`)
	w.is("3", `SELECT count(*) FROM notifications WHERE kind = 'payment_confirmed' AND status = 'sent'`)
	w.is("3", `SELECT count(*) FROM registration_history`)
	w.holds(stream.DeadLetters, 0)
	w.holds(stream.Events, 5)
	w.is("dead redrive Ada 2", `SELECT command || ' ' || by_whom || ' ' || (result ->> 'done') FROM operations WHERE finished_at IS NOT NULL AND error IS NULL`)

	again := w.guichet("dead", "redrive", "--all", "--yes")
	if again.code != service.ExitOK || again.stdout != "There are no such dead letters.\n" {
		t.Errorf("%+v", again)
	}
}

func TestDead_WhatStillCannotBeSettledBecomesADeadLetterAgain(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.work()
	w.store(undecodable("evt_1", "charge.refunded"))
	w.holds(stream.DeadLetters, 1)
	for range 2 {
		if got := w.guichet("dead", "redrive", "evt_1", "--yes"); got.code != service.ExitOK {
			t.Fatalf("%+v", got)
		}
		w.eventually("it dies again", func() error {
			if got := w.guichet("dead", "show", "evt_1"); got.code != service.ExitOK {
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
	}
	w.holds(stream.Events, 3)
	w.holds(stream.DeadLetters, 1)
}

func TestDead_DropsWhatIsChosenAfterAsking(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	stop := w.work()
	for _, id := range []string{"evt_1", "evt_2"} {
		w.store(undecodable(id, "charge.refunded"))
	}
	w.store(undecodable("evt_3", "payment_intent.canceled"))
	w.holds(stream.DeadLetters, 3)
	stop()
	if got := w.guichet("dead", "drop", "--type", "charge.refunded"); got.code != service.ExitUsage || !strings.Contains(got.stderr, "2 dead letters: deleted for good") || !strings.Contains(got.stderr, "--yes") {
		t.Errorf("%+v", got)
	}
	w.is("0", `SELECT count(*) FROM operations`)
	var result taken
	got := w.guichet("dead", "drop", "--type", "charge.refunded", "--yes", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &result); err != nil || result.Found != 2 || result.Done != 2 || len(result.List) != 2 || got.code != service.ExitOK {
		t.Errorf("%v %+v", err, got)
	}
	w.holds(stream.DeadLetters, 1)
	w.holds(stream.Events, 3)
	if got := w.guichet("verify"); got.code != service.ExitOK { // it knows that two were dropped
		t.Errorf("%+v", got)
	}
	w.is(`["evt_1", "evt_2"]`, `SELECT result ->> 'events' FROM operations WHERE command = 'dead drop'`)
}

func TestDead_TellsMistakesAndWhatIsOutOfReach(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.store(undecodable("evt_1", "charge.refunded"))
	without := func(name, value string) map[string]string {
		env := map[string]string{"NATS_URL": w.env["NATS_URL"], "DATABASE_URL": w.env["DATABASE_URL"]}
		env[name] = value
		return env
	}
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		code int
		want string
	}{
		"nothing chosen":  {w.env, []string{"dead", "redrive"}, service.ExitUsage, "--all"},
		"too much chosen": {w.env, []string{"dead", "drop", "1", "--all"}, service.ExitUsage, "--all"},
		"no type":         {w.env, []string{"dead", "list", "--type", "a b"}, service.ExitUsage, "no event type"},
		"no such letter":  {w.env, []string{"dead", "redrive", "99", "--yes"}, service.ExitFailed, "no dead letter has the sequence 99"},
		"NATS away":       {without("NATS_URL", "nats://127.0.0.1:1"), []string{"dead"}, service.ExitFailed, "reach NATS at 127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := guichet(t, test.env, test.args...); got.code != test.code || !strings.Contains(got.stderr, test.want) || got.stdout != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestDead_WithoutTheRecordNothingIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	stop := w.work()
	w.store(undecodable("evt_1", "charge.refunded"))
	w.holds(stream.DeadLetters, 1)
	stop()
	w.env["DATABASE_URL"] = "postgres://me:hunter2@127.0.0.1:1/guichet"
	got := w.guichet("dead", "drop", "--all", "--yes")
	if got.code != service.ExitFailed || got.stdout != "" || strings.Contains(got.stderr, "hunter2") || !strings.Contains(got.stderr, "refused") {
		t.Errorf("%+v", got)
	}
	w.holds(stream.DeadLetters, 1)
}
