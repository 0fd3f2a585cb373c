package store_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

const lease = time.Minute

func (f *fixture) claim(limit int) []store.Notification {
	f.t.Helper()
	out, err := f.store.ClaimMails(context.Background(), limit, lease)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *fixture) finish(n store.Notification, status store.MailStatus, reason string, again time.Time) {
	f.t.Helper()
	if err := f.store.FinishMail(context.Background(), n.ID, status, reason, again); err != nil {
		f.t.Fatal(err)
	}
}

// send claims every mail whose turn has come, sends those that are wanted, and returns their slots.
func (f *fixture) send() []string {
	f.t.Helper()
	sent := []string{}
	for _, n := range f.claim(100) {
		if n.Wanted == nil {
			f.finish(n, store.MailDropped, "no longer wanted", time.Time{})
			continue
		}
		sent = append(sent, n.Slot)
		f.finish(n, store.MailSent, "", time.Time{})
	}
	slices.Sort(sent)
	return sent
}

func (f *fixture) wantSent(want ...string) {
	f.t.Helper()
	if got := f.send(); !slices.Equal(got, want) {
		f.t.Errorf("sent %q, want %q", got, want)
	}
}

func TestASlotIsMailedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"))
	f.wantSent("paid:pi_reg-1")
	for range 2 {
		f.process(paidFor(1, "reg-1"), paidFor(2, "reg-1"), canceledFor(3, "reg-1"))
		f.exec(`UPDATE registrations SET amount_due = 2500`)
		f.sweep()
		f.wantSent()
	}
}

func TestAMailTellsWhatItIsAbout(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`INSERT INTO events (id, title, starts_at) VALUES ('e', 'Gala', $1)`, noon)
	f.exec(`INSERT INTO registrations (id, event_id, email, name, locale, amount_due, currency) VALUES ('reg-1', 'e', 'zoe@example.com', 'Zoé', 'en', 2500, 'eur')`)
	e := failedFor(1, "reg-1")
	e.Livemode, e.Account = true, "acct_1"
	f.process(e)
	n := f.claim(10)
	if len(n) != 1 || n[0].Wanted == nil {
		t.Fatalf("claimed %+v", n)
	}
	if n[0].Wanted.Fact.ID != e.ID || n[0].Kind != registration.MailPaymentFailed || n[0].Attempts != 1 || !n[0].CreatedAt.Equal(noon) {
		t.Errorf("got %+v", n[0])
	}
	r := n[0].Recipient
	if r.AmountDue == nil || *r.AmountDue != 2500 || !r.EventStartsAt.Equal(noon) || !r.Deadline.Equal(e.Created.Add(policy.FailedHold)) {
		t.Errorf("got %+v", r)
	}
	r.AmountDue, r.EventStartsAt, r.Deadline = nil, time.Time{}, time.Time{}
	want := store.Recipient{
		RegistrationID: "reg-1", Email: "zoe@example.com", Name: "Zoé", Locale: "en", EventTitle: "Gala",
		Status: registration.Failed, SeatHeld: true, Currency: "eur", Livemode: true, Account: "acct_1",
	}
	if r != want {
		t.Errorf("got %+v\nwant %+v", r, want)
	}
}

// Before facts tied the intent to the session the mail went by the session.
func TestAMailThatWaitsIsSentThoughItsSlotHasANewName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(fact(1, registration.Paid, "reg-1", of("cs_1", "", "")))
	f.process(fact(2, registration.Paid, "reg-1", of("cs_1", "pi_1", "")))
	f.wantSent("paid:cs_1")
	f.process(fact(3, registration.IntentSucceeded, "reg-1", of("", "pi_1", "ch_1")))
	f.wantSent()
	f.want([]string{"paid:cs_1 sent"}, `SELECT slot || ' ' || status FROM notifications`)
}

func TestAnExpiryAndACancellationShareAMail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(fact(1, registration.SessionExpired, "reg-1", of("cs_1", "pi_1", "")))
	f.process(fact(2, registration.IntentCanceled, "reg-1", of("", "pi_1", "")))
	claimed := f.claim(10)
	if len(claimed) != 1 || claimed[0].Kind != registration.MailPaymentCanceled || claimed[0].Wanted.Fact.ID != "evt_canceled_2" {
		t.Fatalf("claimed %+v", claimed)
	}
	f.finish(claimed[0], store.MailSent, "", time.Time{})
	f.process(fact(3, registration.SessionExpired, "reg-1", of("cs_1", "pi_1", "")))
	f.wantSent()
}

func TestAMailThatIsNotWantedAnyLongerIsDroppedAndRevivedWhenItIsWantedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_reg-1', checkout_created_at = $1`, noon)
	f.sweep()
	f.process(fact(1, registration.PaymentFailed, "reg-1", of("cs_reg-1", "pi_reg-1", "ch_1")))
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_other'`)
	f.sweep()
	if got := f.claim(10); len(got) != 1 || got[0].Wanted != nil {
		t.Fatalf("claimed %+v", got)
	}
	f.want([]string{"dropped"}, `SELECT status FROM notifications`)
	f.wantSent()
	f.now = noon.Add(48 * time.Hour)
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_reg-1'`)
	f.sweep()
	again := f.claim(10)
	if len(again) != 1 || again[0].Wanted == nil || again[0].Attempts != 1 || !again[0].CreatedAt.Equal(f.now) {
		t.Fatalf("claimed %+v", again)
	}
	f.finish(again[0], store.MailSent, "", time.Time{})
	f.want([]string{"failed:pi_reg-1:ch_1 sent"}, `SELECT slot || ' ' || status FROM notifications`)
}

// Between the claim that found a mail unwanted and its end the state came to want it again.
func TestADroppedMailThatIsRevivedIsNotDroppedBelatedly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(failedFor(1, "reg-1"))
	f.process(fact(2, registration.ActionRequired, "reg-1", of("", "pi_reg-1", "")))
	unwanted := f.claim(10)
	f.process(failedFor(3, "reg-1"))
	for _, n := range unwanted {
		if n.Wanted == nil {
			f.finish(n, store.MailDropped, "no longer wanted", time.Time{})
		}
	}
	f.want([]string{"failed:pi_reg-1:ch_reg-1_1 pending", "failed:pi_reg-1:ch_reg-1_3 pending"},
		`SELECT slot || ' ' || status FROM notifications WHERE slot LIKE 'failed:%' ORDER BY slot`)
}

func TestAnActionRequiredWaitsAndIsForgottenIfThePaymentGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store = f.open(store.Options{ActionRequiredDelay: 5 * time.Minute})
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.process(fact(1, registration.ActionRequired, "reg-1", of("", "pi_reg-1", "")), fact(2, registration.ActionRequired, "reg-2", of("", "pi_reg-2", "")))
	f.wantSent()
	f.process(paidFor(3, "reg-1"))
	f.wantSent("paid:pi_reg-1")
	f.now = noon.Add(5 * time.Minute)
	f.wantSent("action:pi_reg-2")
	f.want([]string{"dropped"}, `SELECT status FROM notifications WHERE slot = 'action:pi_reg-1'`)
}

func TestNoTwoClaimantsGetAMail(t *testing.T) {
	t.Parallel()
	const mails = 40
	f := newFixture(t)
	f.exec(`INSERT INTO events (id, title) VALUES ('e', 'e')`)
	f.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-' || n, 'e', 'x' FROM generate_series(1, $1) n`, mails)
	var events []store.Received
	for _, id := range f.list(`SELECT id FROM registrations`) {
		events = append(events, paidFor(len(events), id))
	}
	f.process(events...)
	workers := []*store.Store{f.store, f.open(store.Options{}), f.open(store.Options{})}
	var mu sync.Mutex
	seen := map[int64]int{}
	inParallel(t, len(workers), func(i int) error {
		for {
			claimed, err := workers[i].ClaimMails(context.Background(), 3, lease)
			if err != nil {
				return err
			}
			mu.Lock()
			for _, n := range claimed {
				seen[n.ID]++
			}
			done := len(seen) == mails
			mu.Unlock()
			if done {
				return nil
			}
		}
	})
	for id, times := range seen {
		if times != 1 {
			t.Errorf("mail %d was claimed %d times", id, times)
		}
	}
}

func TestAClaimThatRanOutIsTheNextOnes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"))
	first := f.claim(10)
	if len(first) != 1 || len(f.claim(10)) != 0 {
		t.Fatal("a claimed mail is claimed again at once")
	}
	f.now = noon.Add(lease)
	second := f.claim(10)
	if len(second) != 1 || second[0].ID != first[0].ID || second[0].Attempts != 2 {
		t.Fatalf("claimed %+v", second)
	}
	f.finish(second[0], store.MailSent, "", time.Time{})
	f.finish(first[0], store.MailPending, "timed out", f.now) // too late
	f.want([]string{"sent"}, `SELECT status FROM notifications`)
}

func TestAFinishedMailIsRecorded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"))
	state := func() string {
		return f.get(`SELECT concat_ws(' ', status, last_error, (sent_at IS NOT NULL)::text, (leased_until IS NULL)::text) FROM notifications`)
	}
	n := f.claim(10)[0]
	if err := f.store.FinishMail(t.Context(), n.ID, store.MailPending, "busy", time.Time{}); err == nil {
		t.Error("a pending mail without a time is taken")
	}
	f.finish(n, store.MailPending, "busy", noon.Add(time.Hour))
	if got := state(); got != "pending busy false true" {
		t.Errorf("got %q", got)
	}
	if got := f.claim(10); len(got) != 0 {
		t.Errorf("claimed before its time: %+v", got)
	}
	f.now = noon.Add(time.Hour)
	f.finish(f.claim(10)[0], store.MailFailed, "refused", time.Time{})
	if got := state(); got != "failed refused false true" {
		t.Errorf("got %q", got)
	}
	f.exec(`UPDATE notifications SET status = 'pending'`) // as who looks into it may
	f.finish(f.claim(10)[0], store.MailSent, "", time.Time{})
	if got := state(); got != "sent true true" {
		t.Errorf("got %q", got)
	}
}

func TestTheMailsOfADeletedRegistrationAreNobodys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"))
	n := f.claim(10)[0]
	f.exec(`DELETE FROM registrations`)
	f.finish(n, store.MailSent, "", time.Time{})
	f.wantSent()
}
