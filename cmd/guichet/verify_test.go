package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream/streamtest"
)

// proven is a workshop whose worker has settled a few purchases, mailed what there was to mail, and stopped.
func proven(t *testing.T) *workshop {
	t.Helper()
	w := newWorkshop(t)
	w.register("reg-1", "reg-2", "reg-3")
	one, two, three := w.stripe.Payment("reg-1"), w.stripe.Payment("reg-2"), w.stripe.Payment("reg-3")
	w.publish(one.Failed(simulate.CardDeclined()), one.Succeeded(), one.Completed(), two.Canceled("abandoned"), three.Completed(), three.Disputed())
	stop := w.work()
	w.settled()
	stop()
	return w
}

// settled waits until nothing is left to do.
func (w *workshop) settled() {
	w.t.Helper()
	w.is("0", `
SELECT (SELECT count(*) FROM registrations WHERE due_at IS NOT NULL) + (SELECT count(*) FROM notifications WHERE status = 'pending') +
       (SELECT count(*) FROM registrations WHERE status = 'PENDING')`)
	w.processed()
}

func readVerified(t *testing.T, got result) verified {
	t.Helper()
	var out verified
	if err := json.Unmarshal([]byte(got.stdout), &out); err != nil {
		t.Fatalf("%v in %+v", err, got)
	}
	return out
}

func TestVerify_SaysWhatItProved(t *testing.T) {
	t.Parallel()
	w := proven(t)
	got := w.guichet("verify")
	if got.code != service.ExitOK || got.stderr != "" || !strings.HasPrefix(got.stdout, "The stream: 6 events, 1 to 6, stored 20") ||
		!strings.Contains(got.stdout, "6 have the fact that they tell, 0 are dead letters, 0 are not processed yet.\n"+
			"The database: 3 registrations, 0 of them changed just now and not settled yet; the places of 1 event.\nNothing differs.\n") {
		t.Errorf("%+v", got)
	}
	out := readVerified(t, w.guichet("verify", "--output", "json", "--registration", "reg-3"))
	if out.Scope.Registration != "reg-3" || len(out.Differences) > 0 || out.Report.Messages != 2 || out.Report.Registrations != 1 {
		t.Errorf("%+v", out)
	}
}

func TestVerify_NamesWhatDiffersAndMendsIt(t *testing.T) {
	t.Parallel()
	w := proven(t)
	w.exec(`UPDATE registrations SET status = 'PENDING' WHERE id = 'reg-3'`)
	w.exec(`UPDATE events SET seats_held = 9`)
	w.exec(`UPDATE stripe_events SET intent_id = 'pi_forged' WHERE kind = 'canceled'`)
	w.exec(`DELETE FROM stripe_events WHERE kind = 'intent_succeeded'`)

	got := w.guichet("verify")
	for _, want := range []string{
		"registration reg-3 status PENDING FAILED", "seats e seats_held 9 2", "intent_id pi_forged pi_", "fact - intent_succeeded of reg-1",
		"4 differences: 1 missing fact, 1 different fact, 1 wrong registration, 1 wrong count of places.",
	} {
		if !containsFields(got.stdout, want) {
			t.Errorf("%q is not in\n%s", want, got.stdout)
		}
	}
	if got.code != service.ExitFailed || !strings.Contains(got.stderr, "the database is not what the stream says: 4 differences") {
		t.Errorf("%+v", got)
	}
	if out := readVerified(t, w.guichet("verify", "-o", "json", "--limit", "2")); len(out.Differences) != 2 || out.Report.Differences != 4 {
		t.Errorf("%+v", out)
	}

	if got := w.guichet("verify", "--repair"); got.code != service.ExitUsage || !strings.Contains(got.stderr,
		"This would store 1 fact, rewrite 1 fact, settle 1 registration anew, count the places of 1 event anew, and settle the registrations of the facts. Mails are off") {
		t.Errorf("%+v", got)
	}
	if got := w.guichet("verify"); got.code != service.ExitFailed {
		t.Errorf("it was changed without a yes: %+v", got)
	}
	got = w.guichet("verify", "--repair", "--yes", "--by", "Ada")
	if got.code != service.ExitOK || !strings.HasSuffix(got.stdout, "Mended. Verified again: nothing differs.\n") {
		t.Errorf("%+v", got)
	}
	if got := w.guichet("verify", "--repair", "--yes"); got.code != service.ExitOK || !strings.HasSuffix(got.stdout, "Nothing differs.\n") {
		t.Errorf("%+v", got)
	}
	w.is("verify --repair Ada 1", `SELECT command || ' ' || by_whom || ' ' || (result ->> 'missing_facts') FROM operations`)
	w.is("0", `SELECT count(*) FROM notifications WHERE status = 'pending'`)
}

// containsFields says whether a line of the table has the words in their order.
func containsFields(table, words string) bool {
	want := strings.Fields(words)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		for i := range fields {
			if len(fields) >= i+len(want) && slices.EqualFunc(fields[i:i+len(want)], want, strings.HasPrefix) {
				return true
			}
		}
	}
	return false
}

func TestVerify_RepairsAndTellsProgramsHowItEnded(t *testing.T) {
	t.Parallel()
	w := proven(t)
	w.exec(`DELETE FROM stripe_events WHERE kind = 'paid'`)
	w.exec(`DELETE FROM notifications`)
	got := w.guichet("verify", "--repair", "--yes", "--mails", "--output", "json")
	out := readVerified(t, got)
	if got.code != service.ExitOK || len(out.Differences) == 0 || out.Repair == nil || out.Repair.Missing != 2 || out.After == nil || out.After.Differences != 0 {
		t.Errorf("%d %+v", got.code, out)
	}
	w.is("dispute_opened payment_confirmed", `SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM notifications WHERE status = 'pending'`)
}

func TestVerify_SaysWhatItCannotReachAndWhatIsWrongUse(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	for name, c := range map[string]struct {
		variable, value string
		args            []string
		code            int
		want            string
	}{
		"NATS is away":       {"NATS_URL", "nats://me:hunter2@127.0.0.1:1", nil, service.ExitFailed, "reach NATS at 127.0.0.1:1"},
		"PostgreSQL is away": {"DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/guichet", nil, service.ExitFailed, "connection refused"},
		"mails, no repair":   {"LOG_LEVEL", "info", []string{"--mails"}, service.ExitUsage, "--repair"},
		"no time":            {"LOG_LEVEL", "info", []string{"--since", "yesterday"}, service.ExitUsage, "yesterday"},
		"a wrong setting":    {"FAILED_HOLD", "long", nil, service.ExitUsage, "FAILED_HOLD"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"NATS_URL": w.env["NATS_URL"], "DATABASE_URL": w.env["DATABASE_URL"]}
			env[c.variable] = c.value
			got := guichet(t, env, append([]string{"verify"}, c.args...)...)
			if got.code != c.code || !strings.Contains(got.stderr, c.want) || strings.Contains(got.stderr, "hunter2") || got.stdout != "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// While workers settle a storm of events and the platform writes, nothing differs.
func TestVerify_FindsNothingInAStorm(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.exec(`UPDATE events SET capacity = NULL`)
	w.work()
	w.work()
	const purchases = 120
	stop, failed := make(chan struct{}), make(chan result, 1)
	runs := 0
	go func() {
		defer close(failed)
		for storm := true; storm; runs++ {
			select {
			case <-stop:
				storm = false // and once more, at the end
			default:
			}
			if got := w.guichet("verify"); got.code != service.ExitOK {
				failed <- got
				return
			}
		}
	}()
	for i := range purchases {
		id := fmt.Sprint("reg-", i)
		p := w.stripe.Payment(id)
		events := []simulate.Event{p.Disputed(), p.Completed(), p.Failed(simulate.CardDeclined()), p.Succeeded()}
		if i%2 == 0 {
			w.register(id)
		}
		w.publish(events...)
		if i%2 == 1 {
			w.register(id)
		}
	}
	close(stop)
	for got := range failed {
		t.Errorf("after %d runs: %+v", runs, got)
	}
	t.Logf("%d runs", runs)
}

// processed waits until the workers have processed all that the stream holds.
func (w *workshop) processed() {
	w.t.Helper()
	w.eventually("the stream is processed", func() error { return streamtest.Drained(w.t.Context(), w.js) })
}
