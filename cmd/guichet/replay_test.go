package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/simulate"
)

// stateQuery is all that a registration is, its place and its event's count.
const stateQuery = `
SELECT coalesce(string_agg(concat_ws(' ', r.id, r.status, r.cause, r.seat_wished, r.seat_held, r.attention, r.deadline, r.paid_at,
    r.removed_at IS NOT NULL, e.seats_held), E'\n' ORDER BY r.id), '')
FROM registrations r JOIN events e ON e.id = r.event_id`

func (w *workshop) get(query string, args ...any) string {
	w.t.Helper()
	var out string
	if err := w.db.Get(&out, query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return out
}

func readForeseen(t *testing.T, got result) foreseen {
	t.Helper()
	var out foreseen
	if err := json.Unmarshal([]byte(got.stdout), &out); err != nil {
		t.Fatalf("%v in %+v", err, got)
	}
	return out
}

// lost is a proven workshop whose database has lost two payments and all that came of them.
func lost(t *testing.T) (w *workshop, before string) {
	t.Helper()
	w = proven(t)
	before = w.get(stateQuery)
	w.exec(`DELETE FROM stripe_events WHERE kind IN ('paid', 'disputed')`)
	w.exec(`UPDATE registrations SET due_at = now() WHERE id = 'reg-3'`)
	w.exec(`UPDATE registrations SET status = 'PENDING', deadline = NULL, paid_at = NULL, cause = '' WHERE id IN ('reg-1', 'reg-3')`)
	w.exec(`DELETE FROM notifications WHERE registration_id IN ('reg-1', 'reg-3')`)
	return w, before
}

func TestReplay_ShowsWhatWouldChangeAndChangesNothing(t *testing.T) {
	t.Parallel()
	w, _ := lost(t)
	state := w.get(stateQuery)
	got := w.guichet("replay")
	for _, want := range []string{
		"6 events match, 1 to 6, stored", "3 the database has, 3 it lacks.", "REGISTRATION FIELD NOW THEN", "reg-1 status PENDING PAID", "reg-1 mail - payment_confirmed, suppressed",
		"reg-3 status PENDING FAILED", "reg-3 cause - dispute", "reg-3 mail - dispute_opened, suppressed", "2 registrations would change, and 3 mails be suppressed. Nothing was changed",
	} {
		if !containsFields(got.stdout, want) && !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s", want, got.stdout)
		}
	}
	if got.code != service.ExitOK || got.stderr != "" || w.get(stateQuery) != state {
		t.Errorf("%+v", got)
	}
	out := readForeseen(t, w.guichet("replay", "--mails", "--output", "json", "--limit", "1"))
	if out.Plan == nil || out.Plan.Missing != 3 || out.Plan.Registrations != 2 || len(out.Changes) != 1 || !out.Mails || out.Result != nil {
		t.Errorf("%+v", out)
	}
	if n := w.get(`SELECT count(*) FROM operations`); n != "0" {
		t.Errorf("%s operations are recorded", n)
	}
}

func TestReplay_BringsBackWhatWasLostAndMailsNobody(t *testing.T) {
	t.Parallel()
	w, before := lost(t)
	if got := w.guichet("replay", "--apply"); got.code != service.ExitUsage || !strings.Contains(got.stderr, "6 events match") || !strings.Contains(got.stderr, "Mails are off") {
		t.Errorf("%+v", got)
	}
	got := w.guichet("replay", "--apply", "--yes", "--by", "Ada")
	if got.code != service.ExitOK || !strings.HasPrefix(got.stdout, "3 events stored, ") {
		t.Errorf("%+v", got)
	}
	if after := w.get(stateQuery); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	stop := w.work()
	w.publish(w.stripe.Payment("reg-2").Completed()) // a new event is mailed about
	w.is("1", `SELECT count(*) FROM notifications WHERE status = 'sent' AND registration_id = 'reg-2' AND kind = 'payment_confirmed'`)
	stop()
	w.is("0", `SELECT count(*) FROM notifications WHERE status = 'sent' AND registration_id <> 'reg-2'`)
	if got := w.guichet("verify"); got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
	again := readForeseen(t, w.guichet("replay", "--apply", "--yes", "--output", "json"))
	if again.Result == nil || again.Result.Stored != 0 || again.Result.Matched != 7 || again.Result.Missing != 0 {
		t.Errorf("%+v", again.Result)
	}
	if got := w.guichet("replay"); !strings.HasSuffix(got.stdout, "Nothing would change.\n") {
		t.Errorf("%+v", got)
	}
	list := w.guichet("replay", "list")
	if !containsFields(list.stdout, "Ada all off 6 matched, 3 stored,") || list.code != service.ExitOK {
		t.Errorf("%+v", list)
	}
	var recorded []map[string]any
	if err := json.Unmarshal([]byte(w.guichet("replay", "list", "-o", "json").stdout), &recorded); err != nil || len(recorded) != 2 || recorded[1]["by"] != "Ada" {
		t.Errorf("%v %v", err, recorded)
	}
}

func TestReplay_SettlesAnewWhatIsStored(t *testing.T) {
	t.Parallel()
	w := proven(t)
	before := w.get(stateQuery)
	w.exec(`UPDATE registrations SET status = 'EXPIRED', removed_at = now() WHERE id = 'reg-1'`)
	got := w.guichet("replay", "--registration", "reg-1")
	if !containsFields(got.stdout, "reg-1 status EXPIRED PAID") || !containsFields(got.stdout, "reg-1 removed true false") || !strings.Contains(got.stdout, "3 events match") {
		t.Errorf("%+v", got)
	}
	if got := w.guichet("replay", "--registration", "reg-1", "--apply", "--yes"); got.code != service.ExitOK || got.stdout != "0 events stored, 1 registration settled anew.\n" {
		t.Errorf("%+v", got)
	}
	if after := w.get(stateQuery); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestReplay_TakesTheEventsThatAreMeant(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	one, two := w.stripe.Payment("reg-1"), w.stripe.Payment("reg-2")
	events := []simulate.Event{one.Failed(simulate.CardDeclined()), one.Completed(), two.Completed(simulate.OnAccount("acct_1")), two.Refunded(two.Amount)}
	w.publish(events...)
	w.store([]byte(`{"id": "evt_bad", "type": "charge.refunded"}`))
	stop := w.work()
	w.processed()
	stop()
	path := filepath.Join(t.TempDir(), "ids.txt")
	write(t, path, "# of the incident\n"+events[0].ID+"\n\n  "+events[3].ID+"  \nevt_bad\nevt_unknown\n")
	for _, c := range []struct {
		args                 []string
		matched, undecodable int
	}{
		{nil, 5, 1},
		{[]string{"--type", "checkout.session.*"}, 2, 0},
		{[]string{"--session", one.Session}, 1, 0},
		{[]string{"--intent", one.Intent}, 2, 0},
		{[]string{"--account", "acct_1"}, 1, 0},
		{[]string{"--from", "2", "--to", "3"}, 2, 0},
		{[]string{"--since", "1h"}, 5, 1},
		{[]string{"--until", "2020-01-01"}, 0, 0},
		{[]string{"--file", path}, 3, 1},
	} {
		out := readForeseen(t, w.guichet(append([]string{"replay", "-o", "json"}, c.args...)...))
		if out.Plan == nil || out.Plan.Matched != c.matched || out.Plan.Undecodable != c.undecodable {
			t.Errorf("%q: %+v", c.args, out.Plan)
		}
	}
	if got := w.guichet("replay", "--until", "2020-01-01", "--apply"); got.code != service.ExitOK || got.stdout != "No event matches.\n" {
		t.Errorf("%+v", got)
	}
	if got := w.guichet("replay", "--file", path, "--apply", "--yes"); got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
	if list := w.guichet("replay", "list"); !strings.Contains(list.stdout, "ids of "+path+" (4)") {
		t.Errorf("%+v", list)
	}
}

func TestReplay_LeavesToTheWorkersWhatTheyHaveNotComeTo(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	w.publish(w.stripe.Payment("reg-1").Completed())
	got := w.guichet("replay", "--apply", "--yes")
	if got.code != service.ExitOK || !strings.Contains(got.stdout, "1 are left to the workers") {
		t.Errorf("%+v", got)
	}
	w.is("0", `SELECT count(*) FROM stripe_events`)
	if got := w.guichet("replay", "--apply", "--yes", "--mails"); got.code != service.ExitOK || !strings.HasPrefix(got.stdout, "1 event stored") {
		t.Errorf("%+v", got)
	}
	w.is("pending", `SELECT status FROM notifications`)
}

func TestReplay_NamesWhatPostgreSQLRefuses(t *testing.T) {
	t.Parallel()
	w, _ := lost(t)
	w.exec(`ALTER TABLE registration_history ADD CHECK (registration_id <> 'reg-1') NOT VALID`)
	got := w.guichet("replay", "--apply", "--yes")
	if got.code != service.ExitFailed || !strings.Contains(got.stdout, "Refused: evt_") || !strings.Contains(got.stderr, "refused by PostgreSQL") {
		t.Errorf("%+v", got)
	}
	w.is("FAILED", `SELECT status FROM registrations WHERE id = 'reg-3'`)
}

func TestReplay_SaysWhatItCannotReachAndWhatIsWrongUse(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	empty := filepath.Join(t.TempDir(), "empty.txt")
	write(t, empty, "\n# nothing\n")
	for name, c := range map[string]struct {
		variable, value string
		args            []string
		code            int
		want            string
	}{
		"NATS is away":       {"NATS_URL", "nats://me:hunter2@127.0.0.1:1", nil, service.ExitFailed, "reach NATS at 127.0.0.1:1"},
		"PostgreSQL is away": {"DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/guichet", nil, service.ExitFailed, "connection refused"},
		"no such file":       {"LOG_LEVEL", "info", []string{"--file", "/nowhere.txt"}, service.ExitUsage, "/nowhere.txt"},
		"no ids":             {"LOG_LEVEL", "info", []string{"--file", empty}, service.ExitUsage, "holds no event ids"},
		"no type":            {"LOG_LEVEL", "info", []string{"--type", "charge..x"}, service.ExitUsage, "charge..x"},
		"backwards":          {"LOG_LEVEL", "info", []string{"--from", "3", "--to", "2"}, service.ExitUsage, "after"},
		"nothing listed":     {"DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/guichet", []string{"list"}, service.ExitFailed, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"NATS_URL": w.env["NATS_URL"], "DATABASE_URL": w.env["DATABASE_URL"]}
			env[c.variable] = c.value
			got := guichet(t, env, append([]string{"replay"}, c.args...)...)
			if got.code != c.code || !strings.Contains(got.stderr, c.want) || strings.Contains(got.stderr, "hunter2") || got.stdout != "" {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := w.guichet("replay", "list"); got.stdout != "Nothing was ever replayed.\n" {
		t.Errorf("%+v", got)
	}
}

func TestReplay_NeedsNoMoreThanTheOperatorsRights(t *testing.T) {
	t.Parallel()
	w, as := guarded(t)
	w.register("reg-1")
	event := w.stripe.Payment("reg-1").Completed()
	w.publish(event)
	stop := w.work("NATS_URL", as("worker"))
	w.processed()
	stop()
	w.exec(`DELETE FROM stripe_events`)
	for _, args := range [][]string{{"replay"}, {"replay", "--registration", "reg-1", "--apply", "--yes"}} {
		if got := w.guichet(args...); got.code != service.ExitOK {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if ids := strings.Fields(w.get(`SELECT string_agg(id, ' ') FROM stripe_events`)); !slices.Equal(ids, []string{event.ID}) {
		t.Errorf("%s", fmt.Sprint(ids))
	}
}
