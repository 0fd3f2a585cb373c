package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/store"
)

// outbox is a workshop whose outbox holds mails 1 (failed), 2 (suppressed), 3 (sent) and 4 (pending).
func outbox(t *testing.T) *workshop {
	t.Helper()
	w := newWorkshop(t)
	w.register("reg-1", "reg-2")
	w.exec(`INSERT INTO notifications (registration_id, kind, slot, status, attempts, last_error, sent_at, send_after, fact_id) VALUES
		('reg-1', 'payment_confirmed', 'paid:pi_1', 'failed', 8, '550 no such user', NULL, now(), 'evt_1'),
		('reg-1', 'dispute_opened', 'dispute:dp_1', 'suppressed', 0, NULL, NULL, now(), NULL),
		('reg-2', 'payment_failed', 'failed:pi_2:ch_2', 'sent', 1, NULL, '2026-03-10 12:00:00Z', now(), NULL),
		('reg-2', 'action_required', 'action:pi_2', 'pending', 0, NULL, NULL, '2999-01-01', NULL)`)
	return w
}

func (w *workshop) mailStatuses() string {
	w.t.Helper()
	var out string
	if err := w.db.Get(&out, `SELECT string_agg(status, ' ' ORDER BY id) FROM notifications`); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestMailsList_ShowsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := outbox(t)
	for name, c := range map[string]struct {
		args []string
		want []int64
	}{
		"all":               {nil, []int64{4, 3, 2, 1}},
		"the newest":        {[]string{"--limit", "1"}, []int64{4}},
		"of statuses":       {[]string{"--status", "failed,suppressed"}, []int64{2, 1}},
		"of a registration": {[]string{"--registration", "reg-2"}, []int64{4, 3}},
		"of a kind":         {[]string{"--kind", "dispute_opened"}, []int64{2}},
		"none":              {[]string{"--registration", "reg-9"}, []int64{}},
	} {
		got := w.guichet(append([]string{"mails", "list", "-o", "json"}, c.args...)...)
		var found []store.Mail
		if err := json.Unmarshal([]byte(got.stdout), &found); err != nil || got.code != service.ExitOK {
			t.Fatalf("%v %+v", err, got)
		}
		ids := []int64{}
		for _, m := range found {
			ids = append(ids, m.ID)
		}
		if !slices.Equal(ids, c.want) {
			t.Errorf("%s: %v, want %v", name, ids, c.want)
		}
	}
	got := w.guichet("mails")
	shows(t, got, "NUMBER", "payment_confirmed", "550 no such user", "2026-03-10 12:00:00", "2999-01-01 00:00:00")
	if got := w.guichet("mails", "list", "--registration", "reg-9"); got.stdout != "No mail is such.\n" || got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
	for want, args := range map[string][]string{"is no kind of mail": {"--kind", "invoice"}, "must be one of": {"--status", "lost"}} {
		if got := w.guichet(append([]string{"mails", "list"}, args...)...); got.code != service.ExitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%+v, want %q", got, want)
		}
	}
}

func TestMailsShow_TellsWhetherAMailIsStillWanted(t *testing.T) {
	t.Parallel()
	w := outbox(t)
	w.publish(w.stripe.Payment("reg-1").Completed())
	w.work()
	w.is("5", `SELECT max(id)::text FROM notifications`)
	w.is("sent", `SELECT status FROM notifications WHERE id = 5`)
	shows(t, w.guichet("mails", "show", "1"), "550 no such user", "paid:pi_1", "evt_1", "to            the participant", "no: it would not be sent")
	shows(t, w.guichet("mails", "show", "2"), "to            the admin", "suppressed")
	shows(t, w.guichet("mails", "show", "5"), "still wanted  yes", "reg-1", "sent  ")
	w.exec(`UPDATE notifications SET leased_until = '2999-01-01' WHERE id = 4`)
	shows(t, w.guichet("mails", "show", "4"), "a worker has it until 2999-01-01 00:00:00", "its turn      2999-01-01 00:00:00")
	var told shownMail
	got := w.guichet("mails", "show", "5", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &told); err != nil || !told.Wanted || told.To != "participant" || told.ID != 5 {
		t.Errorf("%v %+v", err, got)
	}
	if got := w.guichet("mails", "show", "99"); got.code != service.ExitFailed || !strings.Contains(got.stderr, "no such mail is in the outbox with number 99") {
		t.Errorf("%+v", got)
	}
}

func TestMailsRetry_SaysWhatItWillDoAndRecordsIt(t *testing.T) {
	t.Parallel()
	w := outbox(t)
	unasked := w.guichet("mails", "retry", "--failed", "--suppressed")
	if unasked.code != service.ExitUsage || !strings.Contains(unasked.stderr, "1 dispute_opened (suppressed), 1 payment_confirmed (failed)") || w.mailStatuses() != "failed suppressed sent pending" {
		t.Errorf("%+v, mails %s", unasked, w.mailStatuses())
	}
	got := w.guichet("mails", "retry", "--failed", "--suppressed", "--yes", "--by", "Ada of the desk")
	if got.code != service.ExitOK || got.stdout != "Tried again now: 2 mails.\n" || w.mailStatuses() != "pending pending sent pending" {
		t.Errorf("%+v, mails %s", got, w.mailStatuses())
	}
	var o struct {
		By     string `db:"by_whom"`
		Detail string `db:"detail"`
		Result string `db:"result"`
	}
	if err := w.db.Get(&o, `SELECT by_whom, detail::text, result::text FROM operations WHERE command = 'mails retry' AND finished_at IS NOT NULL`); err != nil {
		t.Fatal(err)
	}
	if o.By != "Ada of the desk" || o.Detail != `{"statuses": ["failed", "suppressed"]}` || o.Result != `{"mails": [1, 2], "registrations": ["reg-1"]}` {
		t.Errorf("%+v", o)
	}
	shows(t, w.guichet("trace", "reg-1"), "Ada of the desk ran guichet mails retry (operation 1): done")
	got = w.guichet("mails", "retry", "3", "4", "--yes", "-o", "json")
	var told retried
	if err := json.Unmarshal([]byte(got.stdout), &told); err != nil || !slices.Equal(told.Mails, []int64{4}) {
		t.Errorf("%v %+v", err, got)
	}
}

func TestMailsRetry_AsksAPerson(t *testing.T) {
	t.Parallel()
	w := outbox(t)
	got := guichetAsked(t, w.env, "n\n", "mails", "retry", "1")
	if got.code != service.ExitFailed || !strings.Contains(got.stderr, "Go on?") || !strings.Contains(got.stderr, "nothing was changed") || w.mailStatuses() != "failed suppressed sent pending" {
		t.Errorf("%+v", got)
	}
	if got := guichetAsked(t, w.env, "y\n", "mails", "retry", "1"); got.code != service.ExitOK || w.mailStatuses() != "pending suppressed sent pending" {
		t.Errorf("%+v", got)
	}
}

func TestMailsRetry_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	w := outbox(t)
	for want, args := range map[string][]string{
		"which mails?": nil, "no mail 99 is such": {"1", "99"}, "what was sent is not sent again": {"3"}, "no mail is such": {"--failed", "--registration", "reg-2"},
		"is no kind of mail": {"--failed", "--kind", "invoice"},
	} {
		got := w.guichet(append([]string{"mails", "retry", "--yes"}, args...)...)
		if got.code == service.ExitOK || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := w.mailStatuses(); got != "failed suppressed sent pending" {
		t.Errorf("mails are %s", got)
	}
	away := map[string]string{"DATABASE_URL": "postgres://me:hunter2@127.0.0.1:1/guichet"}
	for _, args := range [][]string{{"mails"}, {"mails", "show", "1"}, {"mails", "retry", "1", "--yes"}} {
		if got := guichet(t, away, args...); got.code != service.ExitFailed || !strings.Contains(got.stderr, "127.0.0.1:1") || strings.Contains(got.stderr, "hunter2") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}
