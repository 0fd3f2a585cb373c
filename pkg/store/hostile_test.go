package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// hostile are ids that a platform or Stripe could send.
var hostile = []string{
	`'; DROP TABLE registrations; --`,
	`"quoted" 'twice'`,
	`back\slash \' \" \\`,
	`{array,"of",NULL}`,
	`NULL`,
	`<script>alert("é")</script>`,
	`🎟️ 登録 ñ` + "\u202e",
	` spaces `,
	`$1 %s %d {{.}}`,
	`a:b:c`,
	strings.Repeat("x", 255),
	strings.Repeat("é", 127),
	`REG-1`, `reg-1`, `Reg-1`,
}

func TestIdsAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var events []store.Received
	for i, id := range hostile {
		f.exec(`INSERT INTO events (id, title, capacity) VALUES ($1, $1, 1)`, id)
		f.exec(`INSERT INTO registrations (id, event_id, email, name) VALUES ($1, $1, $1, $1)`, id)
		e := fact(i, registration.PaymentFailed, id, of(id, id, id), func(f *registration.Fact) { f.Message, f.Dispute = id, id })
		e.ID, e.Fact.ID = id, id
		events = append(events, e)
	}
	result := f.process(events...)
	if len(result.Stored) != len(hostile) || len(result.Links) != len(hostile) || len(result.Changes) != len(hostile) {
		t.Fatalf("%d stored, %d linked, %d changed", len(result.Stored), len(result.Links), len(result.Changes))
	}
	f.want([]string{"0"}, `SELECT count(*) FROM stripe_events WHERE id IS DISTINCT FROM registration_id OR id <> session_id OR id <> intent_id OR id <> charge_id`)
	f.want([]string{"0"}, `SELECT count(*) FROM registration_history WHERE fact_id <> registration_id`)
	f.want([]string{"0"}, `SELECT count(*) FROM notifications WHERE slot <> 'failed:' || registration_id || ':' || registration_id`)
	claimed := f.claim(100)
	if len(claimed) != len(hostile) {
		t.Errorf("%d mails claimed", len(claimed))
	}
	for _, n := range claimed {
		id := n.RegistrationID
		if n.Wanted == nil || n.Wanted.Fact.Message != id || n.Wanted.Fact.Charge != id || n.Email != id || n.EventTitle != id {
			t.Errorf("%q came back as %+v", id, n)
		}
		f.finish(n, store.MailFailed, id, time.Time{})
	}
	f.want([]string{"0"}, `SELECT count(*) FROM notifications WHERE last_error <> registration_id`)
	f.now = noon.AddDate(1, 0, 0)
	if n := f.clean(); n != len(hostile) {
		t.Errorf("%d cleaned", n)
	}
	for _, id := range hostile {
		f.exec(`DELETE FROM registrations WHERE id = $1`, id)
	}
	f.wantExactCounts()
}

func TestTheLongestIdsFitIntoEveryIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 1)
	runes := make([]rune, 255)
	for i := range runes {
		runes[i] = rune(0x10000 + i*7919%0x10000) // four bytes each, and nothing to compress
	}
	long := string(runes)
	f.exec(`INSERT INTO registrations (id, event_id, email, checkout_session_id) VALUES ($1, 'e', 'x', $1)`, long)
	f.process(fact(1, registration.PaymentFailed, long, of(long, "", "")))
	f.sweep()
	f.now = noon.AddDate(10, 0, 0)
	if n := f.clean(); n != 1 {
		t.Errorf("%d cleaned", n)
	}
	f.wantState(long, "FAILED no-seat ")
}

func TestEventIdsOfAnotherCaseAreOtherEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := paidFor(1, "reg-1"), paidFor(1, "reg-1")
	b.ID, b.Fact.ID = strings.ToUpper(b.ID), strings.ToUpper(b.ID)
	if got := f.process(a, b); len(got.Stored) != 2 {
		t.Errorf("stored %v", got.Stored)
	}
}
