package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

const age = 15 * time.Minute

// openAttention are the occurrences that wait for a person, as "registration flag object".
func (f *fixture) openAttention() []string {
	f.t.Helper()
	occurrences, err := f.store.Attention(f.t.Context(), false, 100)
	if err != nil {
		f.t.Fatal(err)
	}
	out := []string{}
	for _, o := range occurrences {
		out = append(out, fmt.Sprintf("%s %s %s", o.RegistrationID, o.Flag, o.Object))
	}
	slices.Sort(out)
	return out
}

func (f *fixture) wantOpen(want ...string) {
	f.t.Helper()
	if got := f.openAttention(); !slices.Equal(got, want) {
		f.t.Errorf("open are %q, want %q", got, want)
	}
}

func (f *fixture) raiseUnlinked() {
	f.t.Helper()
	if _, err := f.store.RaiseUnlinked(f.t.Context(), age, 100); err != nil {
		f.t.Fatal(err)
	}
}

func TestAttentionIsOpenForAsLongAsItsCauseIsThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"), fact(2, registration.Paid, "reg-1", of("cs_2", "pi_2", ""), func(p *registration.Fact) { p.Amount = 1 }))
	f.wantOpen("reg-1 double_payment pi_2")
	f.exec(`UPDATE registrations SET amount_due = 2500`)
	f.sweep()
	f.wantOpen("reg-1 amount_mismatch pi_2", "reg-1 double_payment pi_2")
	f.process(fact(3, registration.ChargeRefunded, "reg-1", of("", "pi_2", "ch_2"), func(r *registration.Fact) { r.FullyRefunded = true }))
	f.wantOpen()
	f.wantState("reg-1", "PAID seat ")
	f.exec(`UPDATE registrations SET amount_due = 1`)
	f.sweep()
	f.wantOpen("reg-1 amount_mismatch pi_reg-1")
	f.exec(`DELETE FROM registrations`)
	f.want([]string{"0"}, `SELECT count(*) FROM attention`)
}

func TestAPlaceThatComesFreeClearsTheAttentionForIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.late("e", 1, "reg-1")
	f.wantOpen("reg-1 paid_without_seat pi_reg-1")
	f.exec(`DELETE FROM registrations WHERE id = 'e-quick-0'`)
	f.wantOpen()
}

// Facts that contradict each other put one refund into two attempts.
func TestAttentionThatIsRaisedTwiceIsOneOccurrence(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	refund := func(r *registration.Fact) { r.Refund = "re_1" }
	f.process(fact(1, registration.RefundFailed, "reg-1", of("", "pi_1", "ch_1"), refund), fact(2, registration.RefundFailed, "reg-1", of("", "pi_2", "ch_2"), refund))
	f.wantOpen("reg-1 refund_failed re_1")
}

func TestAttentionIsAcknowledgedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.late("e", 1, "reg-1")
	occurrences, err := f.store.Attention(t.Context(), false, 1)
	if err != nil || len(occurrences) != 1 {
		t.Fatalf("%+v, %v", occurrences, err)
	}
	id := occurrences[0].ID
	if err := f.store.Acknowledge(t.Context(), id, "Zoé", "an extra chair"); err != nil {
		t.Fatal(err)
	}
	f.wantOpen()
	f.wantState("reg-1", withoutSeat)
	f.process(paidFor(300, "reg-1"))
	f.wantOpen()
	for _, id := range []int64{id, 999} {
		if err := f.store.Acknowledge(t.Context(), id, "x", ""); !errors.Is(err, store.ErrNoSuchAttention) {
			t.Errorf("%d: got %v", id, err)
		}
	}
	all, err := f.store.Attention(t.Context(), true, 10)
	if err != nil || len(all) != 1 || all[0].AcknowledgedBy != "Zoé" || all[0].Note != "an extra chair" || all[0].AcknowledgedAt == nil {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestWhatWaitsTooLongIsRaisedUntilItIsLinked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.process(
		paidFor(1, "reg-1"), fact(2, registration.IntentSucceeded, "reg-1", of("", "pi_reg-1", "ch_1")), // told by the payment
		fact(3, registration.Disputed, "", of("", "", "ch_3"), func(d *registration.Fact) { d.Dispute = "dp_3" }),
		fact(4, registration.Paid, "", of("cs_foreign", "", "")), // another product's
		failedFor(5, "reg-2"),
	)
	f.raiseUnlinked()
	f.wantOpen()
	f.now = noon.Add(age)
	f.raiseUnlinked()
	f.raiseUnlinked()
	f.wantOpen(" unknown_registration evt_paid_1", " unlinked_dispute evt_disputed_3")
	f.register("e", "reg-1")
	f.sweep()
	f.wantOpen(" unlinked_dispute evt_disputed_3")
	f.wantSent("attention:unlinked_dispute:evt_disputed_3", "paid:pi_reg-1")
	f.now = noon.Add(24 * time.Hour)
	f.raiseUnlinked()
	f.wantOpen(" unlinked_dispute evt_disputed_3")
	f.wantSent()
}

// Cleanup raises it in the moment in which a worker links the fact.
func TestWhatIsLinkedWhileItIsRaisedDoesNotStayOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	for i := range 20 {
		f.now = noon
		id := fmt.Sprint("reg-", i)
		f.process(paidFor(i, id))
		f.exec(`INSERT INTO registrations (id, event_id, email) VALUES ($1, 'e', 'x')`, id)
		f.now = noon.Add(age)
		inParallel(t, 2, func(i int) (err error) {
			if i == 0 {
				_, _, err = f.store.Sweep(t.Context(), 10)
			} else {
				_, err = f.store.RaiseUnlinked(t.Context(), age, 10)
			}
			return err
		})
		f.wantOpen()
		f.exec(`DELETE FROM registrations`)
	}
}

func TestAnIntentThatNoPaymentConfirmsIsRaised(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(fact(1, registration.IntentSucceeded, "reg-1", of("", "pi_reg-1", "ch_1")), fact(2, registration.IntentSucceeded, "reg-1", of("", "pi_reg-1", "ch_1")))
	unconfirmed := func() []store.Received {
		out, err := f.store.Unconfirmed(t.Context(), age, 10)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := unconfirmed(); len(got) != 0 {
		t.Errorf("before its time: %+v", got)
	}
	f.now = noon.Add(age)
	f.process(unconfirmed()...)
	f.wantOpen("reg-1 unconfirmed_payment pi_reg-1")
	if got := unconfirmed(); len(got) != 0 {
		t.Errorf("again: %+v", got)
	}
	f.process(paidFor(3, "reg-1"))
	f.wantOpen()
}

func TestStripeIsAskedOnlyWhatNothingElseTells(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process(
		fact(1, registration.Disputed, "", of("", "", "ch_1")), fact(2, registration.IntentSucceeded, "", of("", "pi_2", "ch_2")),
		fact(3, registration.Disputed, "reg-1", of("", "", "ch_3")), fact(4, registration.SessionExpired, "", of("cs_4", "", "")),
	)
	asked := func(want ...string) {
		t.Helper()
		questions, err := f.store.Questions(t.Context(), 24*time.Hour, time.Hour, 10)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{}
		for _, q := range questions {
			ids = append(ids, fmt.Sprint(q.ID, " ", q.Intent, " ", q.Charge))
		}
		slices.Sort(ids)
		if !slices.Equal(ids, want) {
			t.Errorf("got %q, want %q", ids, want)
		}
	}
	asked("evt_disputed_1  ch_1", "evt_intent_succeeded_2 pi_2 ch_2")
	if err := f.store.Asked(t.Context(), []string{"evt_disputed_1"}); err != nil {
		t.Fatal(err)
	}
	asked("evt_intent_succeeded_2 pi_2 ch_2")
	f.now = noon.Add(time.Hour)
	asked("evt_disputed_1  ch_1", "evt_intent_succeeded_2 pi_2 ch_2")
	f.now = noon.Add(25 * time.Hour)
	asked()
}

func TestOldTombstonesLoseTheirPersonalData(t *testing.T) {
	t.Parallel()
	const retention = 30 * 24 * time.Hour
	f := newFixture(t)
	f.event("e", 5)
	f.exec(`INSERT INTO registrations (id, event_id, email, name, created_at) VALUES
		('a', 'e', 'a@example.com', 'A', $1), ('b', 'e', 'b@example.com', NULL, $1), ('c', 'e', '', 'C', $1), ('d', 'e', 'd@example.com', 'D', $1)`, noon)
	f.process(canceledFor(1, "a"), canceledFor(2, "b"), canceledFor(3, "c"), paidFor(4, "d"))
	blank := func(want int64) {
		t.Helper()
		if n, err := f.store.Blank(t.Context(), retention, 2); err != nil || n != want {
			t.Errorf("%d blanked, %v, want %d", n, err, want)
		}
	}
	f.now = noon.Add(retention - time.Second)
	blank(0)
	f.now = noon.Add(retention)
	blank(2)
	blank(1)
	blank(0)
	f.want([]string{"a  CANCELED", "b  CANCELED", "c  CANCELED", "d d@example.com D PAID"}, `SELECT concat_ws(' ', id, email, name, status) FROM registrations ORDER BY id`)
}

func TestItIsKnownHowLateCleanupIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	late := func(want time.Duration) {
		t.Helper()
		var got time.Duration
		if since := f.figures().Deadlines.Since; since != nil {
			got = f.now.Sub(*since)
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	late(0)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.sweep()
	late(0)
	f.now = noon.Add(policy.PendingHold + policy.ExpiryGrace + time.Minute)
	late(time.Minute)
}
