package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// concerns are told as "kind registration object amount of due, due date".
func (f *fixture) concerns(all bool) []string {
	f.t.Helper()
	found, err := f.store.Concerns(f.t.Context(), all, 100)
	if err != nil {
		f.t.Fatal(err)
	}
	out := []string{}
	for _, c := range found {
		text := c.Kind + " " + c.RegistrationID + c.Names + " " + c.Object
		if c.Amount != nil {
			text += fmt.Sprintf(" %d %s", *c.Amount, c.Currency)
		}
		if c.AmountDue != nil {
			text += fmt.Sprintf(" of %d", *c.AmountDue)
		}
		if c.Due != nil {
			text += " due " + c.Due.UTC().Format(time.DateOnly)
		}
		out = append(out, text)
	}
	return out
}

func TestConcernsAreWhereMoneyAndPlacesDoNotGoTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("gala", 1)
	f.event("fair", 50)
	f.want([]string{}, `SELECT id FROM attention`)
	if got := f.concerns(true); len(got) != 0 {
		t.Errorf("of nothing: %q", got)
	}
	f.register("fair", "reg-double", "reg-wrong", "reg-refund", "reg-dispute", "reg-won", "reg-fine", "reg-slow", "reg-stuck")
	f.exec(`UPDATE registrations SET amount_due = 4500, currency = 'eur' WHERE id IN ('reg-wrong', 'reg-slow')`)
	f.register("gala", "reg-late") // holds the place, gives it up, and pays when it is another's
	f.sweep()
	f.now = noon.Add(26 * time.Hour)
	f.exec(`UPDATE registrations SET deadline = NULL WHERE id NOT IN ('reg-late')`)
	f.clean()
	f.register("gala", "reg-taker")
	f.exec(`UPDATE registrations SET created_at = $1 WHERE id = 'reg-taker'`, f.now)
	amount := func(n int64) func(*registration.Fact) { return func(f *registration.Fact) { f.Amount = n } }
	due := func(fact *registration.Fact) { fact.DueBy = noon.Add(9 * 24 * time.Hour) }
	f.process(
		about(1, registration.Paid, "reg-double"), about(2, registration.Paid, "reg-double"), about(3, registration.Paid, "reg-wrong", amount(4000)),
		about(4, registration.Paid, "reg-refund"), about(4, registration.RefundFailed, "", func(f *registration.Fact) { f.Refund = "re_4" }),
		about(5, registration.Paid, "reg-dispute"), about(5, registration.Disputed, "", disputes("dp_5"), due),
		about(6, registration.Paid, "reg-won"), about(6, registration.Disputed, "", disputes("dp_6"), due),
		about(6, registration.DisputeClosed, "", disputes("dp_6"), func(f *registration.Fact) { f.Outcome = "won" }),
		about(7, registration.Paid, "reg-fine"), about(8, registration.Paid, "reg-late"),
		about(9, registration.Disputed, "", disputes("dp_9")), about(10, registration.Paid, "reg-nowhere"),
	)
	f.now = f.now.Add(time.Hour)
	if _, err := f.store.RaiseUnlinked(context.Background(), 15*time.Minute, 10); err != nil {
		t.Fatal(err)
	}
	f.exec(`UPDATE registrations SET deadline = $1 WHERE id = 'reg-slow'`, f.now.Add(-time.Minute))
	f.exec(`UPDATE registrations SET status = 'REFUNDED', seat_wished = false WHERE id = 'reg-stuck'`)

	want := []string{
		"open_dispute reg-dispute dp_5 4500 EUR due 2026-03-19",
		"amount_mismatch reg-wrong pi_3 4000 EUR of 4500",
		"double_payment reg-double pi_2 4500 EUR",
		"paid_without_seat reg-late pi_8 4500 EUR",
		"refund_failed reg-refund re_4 4500 EUR",
		"seat_without_money reg-slow  4500 EUR of 4500",
		"seat_without_money reg-stuck ",
		"unknown_registration reg-nowhere evt_10_paid 4500 EUR",
		"unlinked_dispute  dp_9 4500 EUR",
	}
	got := f.concerns(false)
	if got[0] != want[0] {
		t.Errorf("what has a due date does not come first: %q", got)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestAConcernThatSomebodyHasSeenToIsShownOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("gala", 5)
	f.register("gala", "reg-1")
	f.process(about(1, registration.Paid, "reg-1"), about(2, registration.Paid, "reg-1"))
	found, err := f.store.Concerns(t.Context(), false, 10)
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v (%v)", found, err)
	}
	c := found[0]
	if c.Attention == 0 || c.Seen || c.EventTitle != "gala" || c.Status != registration.PaidStatus || c.FactID != "evt_2_paid" || c.Overdue || !c.Since.Equal(noon) {
		t.Errorf("%+v", c)
	}
	if err := f.store.Acknowledge(t.Context(), c.Attention, "ada", "refunding"); err != nil {
		t.Fatal(err)
	}
	if got := f.concerns(false); len(got) != 0 {
		t.Errorf("%q", got)
	}
	if got, err := f.store.Concerns(t.Context(), true, 10); err != nil || len(got) != 1 || !got[0].Seen {
		t.Errorf("%+v (%v)", got, err)
	}
	if got, err := f.store.Concerns(t.Context(), true, 0); err != nil || len(got) != 0 {
		t.Errorf("%+v (%v)", got, err)
	}
}
