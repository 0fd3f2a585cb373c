package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/erasure"
	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
)

func TestErase_TakesThePersonOutAndLeavesTheBooks(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1", "reg-2")
	stop := w.work("MAILBOX_DIR", "", "ADMIN_EMAIL", "") // mails wait
	p := w.stripe.Payment("reg-1")
	w.publish(p.Failed(simulate.CardDeclined()), p.Completed(), w.stripe.Payment("reg-2").Completed())
	w.store(undecodable("evt_dead", "charge.refunded"))
	w.is("2", `SELECT count(*) FROM registrations WHERE status = 'PAID'`)
	w.holds(stream.DeadLetters, 1)
	stop()

	asked := w.guichet("erase", "reg-1")
	for _, want := range []string{
		"reg-1 (PAID): the name and the address are blanked; ", " pending mail", "; 2 messages deleted from the stream of events.",
		"Status, amounts, history and facts stay. This cannot be undone.", "--yes",
	} {
		if asked.code != service.ExitUsage || !strings.Contains(asked.stderr, want) {
			t.Errorf("%q is not in %+v", want, asked)
		}
	}
	w.holds(stream.Events, 4)
	w.is("reg-1@example.org", `SELECT email FROM registrations WHERE id = 'reg-1'`)

	var plan erasure.Plan
	got := w.guichet("erase", "reg-1", "--yes", "--by", "Ada", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &plan); err != nil || got.code != service.ExitOK || plan.Messages != 2 || !plan.Fields || plan.Mails == 0 || plan.DeadLetters != 0 {
		t.Errorf("%v %+v", err, got)
	}
	w.holds(stream.Events, 2)
	w.is("PAID ", `SELECT status || ' ' || email || coalesce(name, '') FROM registrations WHERE id = 'reg-1'`)
	w.is("2", `SELECT count(*) FROM stripe_events WHERE registration_id = 'reg-1'`)
	w.is("4500", `SELECT detail ->> 'amount' FROM stripe_events WHERE registration_id = 'reg-1' AND kind = 'paid'`)
	w.is("reg-2@example.org", `SELECT email FROM registrations WHERE id = 'reg-2'`)
	w.is(`erase Ada {"registration": "reg-1"}`, `SELECT command || ' ' || by_whom || ' ' || detail FROM operations WHERE finished_at IS NOT NULL AND error IS NULL`)

	again := w.guichet("erase", "reg-1")
	if again.code != service.ExitOK || again.stdout != "Nothing is held of the person of reg-1 any longer.\n" {
		t.Errorf("%+v", again)
	}
	w.is("1", `SELECT count(*) FROM operations`)
}

func TestErase_WhatComesLaterIsSettledAndBringsNobodyBack(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	w.work()
	p := w.stripe.Payment("reg-1")
	w.publish(p.Completed())
	w.is("sent", `SELECT status FROM notifications WHERE kind = 'payment_confirmed'`)
	if got := w.guichet("erase", "reg-1", "--yes"); got.code != service.ExitOK {
		t.Fatalf("%+v", got)
	}
	w.publish(p.Refunded(simulate.DefaultAmount))
	w.is("REFUNDED", `SELECT status FROM registrations WHERE email = '' AND name IS NULL`)
	w.is("dropped: the registration has no address", `SELECT status || ': ' || last_error FROM notifications WHERE kind = 'refund_confirmed'`)
	w.holds(stream.Events, 1)
	if got := w.guichet("verify"); got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
	got := w.guichet("erase", "reg-1", "--yes") // what has come since
	if got.code != service.ExitOK || !strings.Contains(got.stdout, "messages deleted          1") {
		t.Errorf("%+v", got)
	}
	w.holds(stream.Events, 0)
	if got := w.guichet("verify"); got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
}

func TestErase_DeadLettersGoTooAndWhatIsNotSettledStays(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	stop := w.work()
	w.store([]byte(`{"id":"evt_1","object":"event","type":"charge.refunded","created":1790000000,"data":{"object":{"metadata":{"registrationId":"reg-1"}}}}`))
	w.holds(stream.DeadLetters, 1)
	stop()
	w.publish(w.stripe.Payment("reg-1").Completed())
	got := w.guichet("erase", "reg-1", "--yes")
	if got.code != service.ExitFailed || !strings.Contains(got.stdout, "dead letters deleted      1") || !strings.Contains(got.stdout, "messages deleted          1") ||
		!strings.Contains(got.stderr, "1 message about reg-1: settled by no worker yet and left") {
		t.Errorf("%+v", got)
	}
	w.holds(stream.DeadLetters, 0)
	w.holds(stream.Events, 1)
	w.work()
	w.is("PAID", `SELECT status FROM registrations WHERE email = ''`)
	if got := w.guichet("erase", "reg-1", "--yes"); got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
	w.holds(stream.Events, 0)
}

func TestErase_TellsMistakesAndWhatIsOutOfReach(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	with := func(name, value string) map[string]string {
		env := maps.Clone(w.env)
		env[name] = value
		return env
	}
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		code int
		want string
	}{
		"unknown":       {w.env, []string{"erase", "reg-9", "--yes"}, service.ExitFailed, "there is no such registration: reg-9"},
		"none":          {w.env, []string{"erase"}, service.ExitUsage, "registration"},
		"NATS away":     {with("NATS_URL", "nats://127.0.0.1:1"), []string{"erase", "reg-1", "--yes"}, service.ExitFailed, "reach NATS"},
		"database away": {with("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/x"), []string{"erase", "reg-1", "--yes"}, service.ExitFailed, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := guichet(t, test.env, test.args...)
			if got.code != test.code || !strings.Contains(got.stderr, test.want) || got.stdout != "" || strings.Contains(got.stderr, "hunter2") {
				t.Errorf("%+v", got)
			}
		})
	}
	w.is("reg-1@example.org", `SELECT email FROM registrations`)
}
