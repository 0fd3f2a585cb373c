package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
)

func TestMoney_ShowsWhatIsAtStakeAndWhatMendsIt(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	if got := w.guichet("money"); got.code != service.ExitOK || got.stdout != "Money and places go together, and no dispute is open.\n" {
		t.Errorf("%+v", got)
	}
	w.register("reg-1", "reg-2")
	w.exec(`UPDATE registrations SET amount_due = 5000, currency = 'eur' WHERE id = 'reg-2'`)
	w.work()
	once, twice, wrong, disputed := w.stripe.Payment("reg-1"), w.stripe.Payment("reg-1"), w.stripe.Payment("reg-2"), w.stripe.Payment("reg-2")
	disputed.Amount = 5000
	w.publish(once.Completed(simulate.At(time.Now().Add(-time.Minute))), twice.Completed(), wrong.Completed(), disputed.Completed(), disputed.Disputed())
	w.is("double_payment amount_mismatch", `SELECT string_agg(flag, ' ' ORDER BY registration_id) FROM attention WHERE cleared_at IS NULL`)
	w.is("1", `SELECT count(*)::text FROM stripe_events WHERE kind = 'disputed' AND outcome = 'settled'`)
	got := w.guichet("money")
	if got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[1], "open_dispute") {
		t.Fatalf("%+v", got)
	}
	shows(t, got, "KIND", "WHAT TO DO", "reg-1", "Concert", "€45.00 of €50.00", "€50.00", "refund "+twice.Intent+" at Stripe, which clears it, or guichet attention ack ",
		"answer dispute "+disputed.Dispute+" at Stripe; guichet trace reg-2", "mend amount_due of the row", time.Now().UTC().Add(9*24*time.Hour).Format("2006-01-"))
	var told []atStake
	asJSON := w.guichet("money", "-o", "json")
	if err := json.Unmarshal([]byte(asJSON.stdout), &told); err != nil || len(told) != 3 || told[0].Due == nil || *told[0].Amount != 5000 || told[0].Do == "" {
		t.Errorf("%v %+v", err, asJSON)
	}
	if got := w.guichet("money", "--limit", "1"); !strings.Contains(got.stderr, "--limit") {
		t.Errorf("%+v", got)
	}
}

func TestMoney_RefusesNothingToShowAndSaysThatPostgreSQLIsAway(t *testing.T) {
	t.Parallel()
	if got := guichet(t, nil, "money", "--limit", "0"); got.code != service.ExitUsage || !strings.Contains(got.stderr, "--limit") {
		t.Errorf("%+v", got)
	}
	got := guichet(t, map[string]string{"DATABASE_URL": "postgres://me:hunter2@127.0.0.1:1/guichet"}, "money")
	if got.code != service.ExitFailed || !strings.Contains(got.stderr, "127.0.0.1:1") || strings.Contains(got.stderr, "hunter2") {
		t.Errorf("%+v", got)
	}
}

func TestEveryConcernSaysWhatMendsIt(t *testing.T) {
	t.Parallel()
	amount, due := int64(4500), int64(5000)
	for kind, want := range map[string]string{
		"paid_without_seat":    "raise the capacity of gala, which seats it at once, or refund pi_1 at Stripe; then guichet attention ack 7 --note …",
		"double_payment":       "refund pi_1 at Stripe, which clears it, or guichet attention ack 7 --note …",
		"amount_mismatch":      "mend amount_due of the row, or settle the difference of pi_1 at Stripe; then guichet attention ack 7 --note …",
		"refund_failed":        "give the money back another way (pi_1 came back); then guichet attention ack 7 --note …",
		"unconfirmed_payment":  "guichet backfill --since 72h --apply, for the event that confirms pi_1",
		"unknown_registration": "guichet trace evt_1; insert registration reg-9, or refund the payment at Stripe",
		"unlinked_dispute":     "guichet trace pi_1; answer it at Stripe: nothing tells whose it is",
		"open_dispute":         "answer dispute pi_1 at Stripe; guichet trace reg-1",
		"seat_without_money":   "guichet verify --registration reg-1 --repair",
		"of_a_later_release":   "guichet trace reg-1; then guichet attention ack 7 --note …",
	} {
		c := store.Concern{
			Kind: kind, RegistrationID: "reg-1", Names: "reg-9", EventID: "gala", Object: "pi_1", FactID: "evt_1", Amount: &amount, AmountDue: &due, Currency: "EUR", Attention: 7,
		}
		if got := whatToDo(c); got != want {
			t.Errorf("%s: got %q, want %q", kind, got, want)
		}
		wantAmount := "€45.00"
		if kind == "amount_mismatch" {
			wantAmount += " of €50.00"
		}
		if got := amountOf(c); got != wantAmount {
			t.Errorf("%s: got %q, want %q", kind, got, wantAmount)
		}
	}
	late := store.Concern{Kind: store.SeatWithoutMoney, Overdue: true}
	if got := whatToDo(late); !strings.HasPrefix(got, "cleanup ends it") || amountOf(late) != "-" {
		t.Errorf("got %q, %s", got, amountOf(late))
	}
}
