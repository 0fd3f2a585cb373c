package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// mailed makes four mails: 1 sent, 2 failed, 3 suppressed, 4 pending. The last two are of reg-2.
func mailed(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.event("gala", 5)
	f.register("gala", "reg-1", "reg-2")
	f.process(failedFor(1, "reg-1"))
	f.process(paidFor(2, "reg-1"))
	f.process(failedFor(3, "reg-2"))
	f.process(paidFor(4, "reg-2"))
	for status, slot := range map[string]string{"sent": `1`, "failed": `2`, "suppressed": `3`} {
		f.exec(`UPDATE notifications SET status = $1, attempts = 3, last_error = '550 no' WHERE id = (SELECT id FROM notifications ORDER BY id OFFSET $2::int - 1 LIMIT 1)`, status, slot)
	}
	return f
}

func (f *fixture) mails(filter store.MailFilter, limit int) []string {
	f.t.Helper()
	found, err := f.store.ListMails(f.t.Context(), filter, limit)
	if err != nil {
		f.t.Fatal(err)
	}
	out := []string{}
	for _, m := range found {
		out = append(out, m.RegistrationID+" "+string(m.Kind)+" "+string(m.Status))
	}
	return out
}

func TestMailsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	f := mailed(t)
	all := []string{
		"reg-2 payment_confirmed pending", "reg-2 payment_failed suppressed", "reg-1 payment_confirmed failed", "reg-1 payment_failed sent",
	}
	for name, c := range map[string]struct {
		filter store.MailFilter
		limit  int
		want   []string
	}{
		"all":               {store.MailFilter{}, 10, all},
		"the newest":        {store.MailFilter{}, 2, all[:2]},
		"of a status":       {store.MailFilter{Statuses: []store.MailStatus{store.MailFailed}}, 10, all[2:3]},
		"of two statuses":   {store.MailFilter{Statuses: []store.MailStatus{store.MailFailed, store.MailSent}}, 10, all[2:]},
		"of a registration": {store.MailFilter{Registration: "reg-2"}, 10, all[:2]},
		"of a kind":         {store.MailFilter{Kind: registration.MailPaymentConfirmed}, 10, []string{all[0], all[2]}},
		"of all that":       {store.MailFilter{Kind: registration.MailPaymentConfirmed, Registration: "reg-1"}, 10, all[2:3]},
		"none":              {store.MailFilter{Registration: "reg-9"}, 10, []string{}},
	} {
		if got := f.mails(c.filter, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAMailIsWantedWhileItsStateWantsIt(t *testing.T) {
	t.Parallel()
	f := mailed(t)
	all, err := f.store.ListMails(t.Context(), store.MailFilter{Registration: "reg-2"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		got, wanted, err := f.store.MailWanted(t.Context(), m.ID)
		if err != nil || got.Slot != m.Slot || wanted != (m.Kind == registration.MailPaymentConfirmed) {
			t.Errorf("%s: wanted %t, %v", m.Kind, wanted, err)
		}
	}
	if _, _, err := f.store.MailWanted(t.Context(), 99); !errors.Is(err, store.ErrNoSuchMail) {
		t.Errorf("got %v", err)
	}
}

func TestARetriedMailIsPendingNowWithAllItsTries(t *testing.T) {
	t.Parallel()
	f := mailed(t)
	f.now = noon.Add(time.Hour)
	retry := func(filter store.MailFilter) int {
		t.Helper()
		done, err := f.store.RetryMails(context.Background(), filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range done {
			if m.Status != store.MailPending || m.Attempts != 0 || m.LastError != "" || !m.SendAfter.Equal(f.now) || m.LeasedUntil != nil || !m.CreatedAt.Equal(noon) {
				t.Errorf("%+v", m)
			}
		}
		return len(done)
	}
	if n := retry(store.MailFilter{Statuses: []store.MailStatus{store.MailFailed}, Kind: registration.MailPaymentFailed}); n != 0 {
		t.Errorf("%d of another kind", n)
	}
	if n := retry(store.MailFilter{Statuses: []store.MailStatus{store.MailFailed, store.MailSuppressed}}); n != 2 {
		t.Errorf("%d, want the failed and the suppressed one", n)
	}
	sent, err := f.store.ListMails(t.Context(), store.MailFilter{Statuses: []store.MailStatus{store.MailSent}}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if n := retry(store.MailFilter{IDs: []int64{sent[0].ID}}); n != 0 {
		t.Error("what was sent is sent again")
	}
	claimed, err := f.store.ClaimMails(t.Context(), 10, time.Minute)
	if err != nil || len(claimed) != 3 {
		t.Fatalf("%d are claimed (%v)", len(claimed), err)
	}
	pending := store.MailFilter{Statuses: []store.MailStatus{store.MailPending}}
	if n := retry(pending); n != 0 {
		t.Errorf("%d are taken from the worker that sends them", n)
	}
	f.now = f.now.Add(time.Minute) // it died
	if n := retry(pending); n != 2 {
		t.Errorf("%d of a dead worker's, want those that are wanted", n)
	}
	if _, err := f.store.RetryMails(t.Context(), store.MailFilter{}); err == nil {
		t.Error("all mails of all time are tried again")
	}
}
