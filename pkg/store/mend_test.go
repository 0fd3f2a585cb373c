package store_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// wantSound wants nothing to differ from what it should be.
func (f *fixture) wantSound(events ...store.Received) {
	f.t.Helper()
	facts := f.checkFacts(events...)
	rows := f.check(store.Range{})
	_, seats, err := f.store.CheckSeats(f.t.Context(), "")
	if err != nil {
		f.t.Fatal(err)
	}
	linkable, _, err := f.store.Linkable(f.t.Context(), nil, "", 100)
	if err != nil {
		f.t.Fatal(err)
	}
	dangling, _, err := f.store.Dangling(f.t.Context(), "", 100)
	if err != nil {
		f.t.Fatal(err)
	}
	if found := lines(slices.Concat(facts.Differences, rows.Differences, seats, linkable, dangling)); len(found)+len(facts.Missing)+len(rows.Unseated) > 0 {
		f.t.Errorf("%q differ, %d are missing, %q have no place", found, len(facts.Missing), rows.Unseated)
	}
}

func TestFactsAreRewrittenAndTheirRegistrationsSettled(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]string{
		"another kind":                        `kind = 'payment_processing'`,
		"another amount":                      `detail = detail || '{"amount": 1}'`,
		"unreadable":                          `detail = '{"amount": "much"}'`,
		"another registration":                `registration_id = 'reg-2', registration_ref = 'reg-2'`,
		"another registration linked":         `registration_id = 'reg-2'`,
		"a registration that is not there":    `registration_id = 'reg-9'`,
		"no registration":                     `registration_id = NULL, outcome = 'waiting'`,
		"ignored":                             `registration_id = NULL, outcome = 'ignored', reason = 'type not handled'`,
		"as if its registration were deleted": `registration_id = NULL, outcome = 'ignored', reason = 'registration deleted'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 5)
			f.register("e", "reg-1", "reg-2")
			f.exec(`UPDATE registrations SET amount_due = 2500`)
			events := []store.Received{paidFor(1, "reg-1"), canceledFor(2, "reg-2"), ignoredEvent("evt_ignored")}
			f.process(events...)
			f.settleAll()
			f.wantSound(events...)
			f.send()
			f.exec(`UPDATE stripe_events SET ` + set + ` WHERE id = 'evt_paid_1'`)
			f.exec(`UPDATE registrations SET due_at = now()`)
			if name != "unreadable" {
				f.settleAll() // the damage spreads
			}
			f.send()
			off := f.open(store.Options{MailsOff: true})
			if _, err := off.Rewrite(t.Context(), append(events, paidFor(99, "reg-1"))); err != nil {
				t.Fatal(err)
			}
			f.settleAll()
			f.wantSound(events...)
			f.wantState("reg-1", "PAID seat ")
			f.wantState("reg-2", "CANCELED no-seat ")
			f.wantSent()
			if n := f.get(`SELECT count(*) FROM stripe_events`); n != "3" {
				t.Errorf("%s events are stored", n)
			}
		})
	}
}

func TestARewrittenEventOfADeletedRegistrationStaysNobodys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	e := paidFor(1, "reg-1")
	f.process(e)
	f.exec(`DELETE FROM registrations`)
	f.exec(`INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'e', 'somebody else')`)
	f.settleAll()
	f.exec(`UPDATE stripe_events SET kind = 'refunded'`)
	if _, err := f.store.Rewrite(t.Context(), []store.Received{e}); err != nil {
		t.Fatal(err)
	}
	f.wantSound(e)
	f.wantState("reg-1", "PENDING seat ")
	f.want([]string{"ignored registration deleted paid"}, `SELECT concat_ws(' ', outcome, reason, kind) FROM stripe_events`)
}

func TestFactsAreLinkedAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	dispute := fact(3, registration.Disputed, "", of("", "pi_reg-1", "ch_1"), func(f *registration.Fact) { f.Dispute = "dp_1" })
	update := fact(4, registration.DisputeUpdated, "", of("", "", "ch_1"), func(f *registration.Fact) { f.Dispute = "dp_1" })
	events := []store.Received{paidFor(1, "reg-1"), paidFor(2, "reg-2"), dispute, update}
	f.process(events...)
	f.settleAll()
	f.exec(`UPDATE stripe_events SET registration_id = 'reg-2' WHERE id IN ('evt_paid_1', 'evt_disputed_3')`)
	f.exec(`UPDATE registrations SET due_at = now()`)
	f.settleAll()
	if _, err := f.store.Relink(t.Context(), append(f.check(store.Range{}).Misplaced, "evt_nowhere")); err != nil {
		t.Fatal(err)
	}
	f.wantSound(events...)
	f.wantState("reg-1", "FAILED seat ")
	f.wantState("reg-2", "PAID seat ")
}

func TestRegistrationsAreSettledAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2", "reg-3")
	events := []store.Received{paidFor(1, "reg-1"), canceledFor(2, "reg-2"), paidFor(4, "reg-1")}
	f.process(events[:2]...)
	f.settleAll()
	f.send()
	f.exec(`UPDATE registrations SET status = 'FAILED', cause = 'dispute', paid_at = NULL, deadline = now() WHERE id = 'reg-1'`)
	f.exec(`UPDATE registrations SET seat_held = true WHERE id = 'reg-2'`)
	f.exec(`INSERT INTO attention (registration_id, flag, object, raised_at) VALUES ('reg-3', 'refund_failed', 're_1', now())`)
	f.exec(`INSERT INTO stripe_events (id, type, outcome, kind, created, registration_ref, session_id, intent_id, detail)
		VALUES ('evt_paid_4', 'paid', 'waiting', 'paid', $1, 'reg-1', 'cs_reg-1', 'pi_reg-1', '{"amount": 2500, "currency": "eur"}')`, noon.Add(4*time.Second))
	result, err := f.open(store.Options{MailsOff: true}).Resettle(t.Context(), []string{"reg-1", "reg-2", "reg-3", "reg-9"})
	if err != nil || len(result.Links) != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	f.wantSound(events...)
	f.wantState("reg-1", "PAID seat ")
	f.wantState("reg-2", "CANCELED no-seat ")
	f.wantSent()
}

func TestPlacesAreCountedAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("a", 1)
	f.event("b", 5)
	f.register("a", "reg-1")
	f.register("b", "reg-2")
	f.process(canceledFor(1, "reg-1"))
	f.register("a", "reg-3")
	f.process(paidFor(2, "reg-1")) // without a place
	f.settleAll()
	f.exec(`ALTER TABLE registrations DISABLE TRIGGER USER`)
	f.exec(`DELETE FROM registrations WHERE id = 'reg-3'`)
	f.exec(`ALTER TABLE registrations ENABLE TRIGGER USER`)
	f.exec(`UPDATE events SET seats_held = 4 WHERE id = 'b'`)
	if err := f.store.RecountSeats(t.Context(), []string{"b", "a", "c"}); err != nil {
		t.Fatal(err)
	}
	f.wantState("reg-1", "PAID seat ") // the place that had been free came to it
	f.wantRemaining("a", 0)
	f.wantRemaining("b", 4)
	f.wantSound()
}

func TestAnEventWhoseRowsHoldTooManyPlacesIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 2)
	f.register("e", "reg-1", "reg-2")
	f.exec(`ALTER TABLE events DISABLE TRIGGER USER`)
	f.exec(`UPDATE events SET capacity = 1, seats_held = 1`)
	err := f.store.RecountSeats(t.Context(), []string{"e"})
	if err == nil || !strings.Contains(err.Error(), "event e: its registrations hold more places than its capacity") {
		t.Errorf("got %v", err)
	}
}
