package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

const outboxQuery = `SELECT slot || ' ' || status FROM notifications ORDER BY slot COLLATE "C"`

// hushed gives events to a store with mails off, on the fixture's database.
func (f *fixture) hushed(events ...store.Received) {
	f.t.Helper()
	if _, err := f.open(store.Options{MailsOff: true}).Process(context.Background(), events); err != nil {
		f.t.Fatal(err)
	}
}

func TestWithMailsOffNobodyIsMailedThenOrLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.hushed(paidFor(1, "reg-1"))
	f.wantState("reg-1", "PAID seat ")
	f.process(paidFor(1, "reg-1"), paidFor(2, "reg-1"))
	f.exec(`UPDATE registrations SET amount_due = 2500`)
	f.sweep()
	f.wantSent()
	f.want([]string{"paid:pi_reg-1 suppressed"}, outboxQuery)
}

func TestWithMailsOffAMailThatWaitsGoesOnWaiting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(fact(1, registration.SessionExpired, "reg-1", of("cs_reg-1", "pi_reg-1", "")))
	f.hushed(canceledFor(2, "reg-1")) // it shares the expiry's mail
	f.want([]string{"removed:pi_reg-1 pending"}, outboxQuery)
	f.want([]string{"payment_canceled"}, `SELECT kind FROM notifications`)
	f.wantSent("removed:pi_reg-1")
}

func TestWithMailsOffADroppedMailThatIsWantedAgainIsSuppressed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(failedFor(1, "reg-1"))
	f.process(fact(2, registration.ActionRequired, "reg-1", of("", "pi_reg-1", "")))
	f.wantSent("action:pi_reg-1")
	f.hushed(fact(3, registration.PaymentFailed, "reg-1", of("", "pi_reg-1", "ch_reg-1_1")))
	f.want([]string{"action:pi_reg-1 sent", "failed:pi_reg-1:ch_reg-1_1 suppressed"}, outboxQuery)
	f.process(failedFor(4, "reg-1"))
	f.wantSent("failed:pi_reg-1:ch_reg-1_4")
}

func TestASuppressedMailStandsForTheSameUnderAnotherName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.hushed(fact(1, registration.Paid, "reg-1", of("cs_1", "", "")))
	f.process(fact(2, registration.IntentSucceeded, "reg-1", of("cs_1", "pi_1", "ch_1")))
	f.wantSent()
	f.want([]string{"paid:cs_1 suppressed"}, outboxQuery)
}

// The payment is disputed when the facts are given; it would be confirmed again when the dispute is won.
func TestWithMailsOffPastStatesAreNotMailedLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	disputed := fact(2, registration.Disputed, "", of("", "pi_reg-1", ""), func(f *registration.Fact) { f.Dispute = "dp_1" })
	won := fact(3, registration.DisputeClosed, "", of("", "pi_reg-1", ""), func(f *registration.Fact) { f.Dispute, f.Outcome = "dp_1", "won" })
	f.hushed(paidFor(1, "reg-1"), disputed)
	f.wantState("reg-1", "FAILED seat ")
	f.process(won)
	f.wantState("reg-1", "PAID seat ")
	f.wantSent("dispute:dp_1:won")
	f.want([]string{"dispute:dp_1 suppressed", "dispute:dp_1:won sent", "paid:pi_reg-1 suppressed"}, outboxQuery)
}

func TestWithMailsOffWhatTheClockSaysNextIsNotMailed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.sweep()
	f.now = noon.Add(26 * time.Hour)
	f.hushed(fact(1, registration.ActionRequired, "reg-1", of("", "pi_1", "")))
	f.clean()
	f.wantState("reg-1", "EXPIRED no-seat ")
	f.wantSent("removed:none") // of reg-2, to which nothing was given
	f.want([]string{"reg-1", "reg-1", "reg-2"}, `SELECT registration_id FROM notifications ORDER BY 1`)
}

func TestWithMailsOffNobodyIsToldOfAPaymentWithoutARegistration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.hushed(paidFor(1, "reg-9"), fact(2, registration.Disputed, "", of("", "", "ch_9")), failedFor(3, "reg-8"))
	f.process(paidFor(4, "reg-7"))
	f.now = noon.Add(time.Hour)
	if _, err := f.store.RaiseUnlinked(t.Context(), registration.AttentionAge, 10); err != nil {
		t.Fatal(err)
	}
	f.want([]string{"evt_disputed_2 unlinked_dispute", "evt_paid_1 unknown_registration", "evt_paid_4 unknown_registration"},
		`SELECT fact_id || ' ' || flag FROM attention ORDER BY 1`)
	f.wantSent("attention:unknown_registration:evt_paid_4")
}
