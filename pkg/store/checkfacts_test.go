package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// lines writes differences as "id field: stored, should be".
func lines(found []store.Difference) []string {
	out := []string{}
	for _, d := range found {
		out = append(out, fmt.Sprintf("%s %s: %s, %s", d.ID, d.Field, d.Stored, d.ShouldBe))
	}
	slices.Sort(out)
	return out
}

func (f *fixture) checkFacts(events ...store.Received) store.FactCheck {
	f.t.Helper()
	check, err := f.store.CheckFacts(context.Background(), events)
	if err != nil {
		f.t.Fatal(err)
	}
	return check
}

// fullFact is an event all of whose fields are set.
func fullFact(n int) store.Received {
	e := fact(n, registration.Disputed, fmt.Sprint("reg-", n), of("cs_1", "pi_1", "ch_1"), func(f *registration.Fact) {
		f.IntentCreated, f.DueBy = noon, noon.Add(time.Hour)
		f.Amount, f.Currency, f.FullyRefunded, f.SessionAsync = 4500, "eur", true, true
		f.Dispute, f.Refund, f.Reason, f.Outcome = "dp_1", "re_1", "fraudulent", "needs_response"
		f.Message, f.Code, f.DeclineCode = "Your card was \"declined\" — \\ é\u2028.", "card_declined", "generic_decline"
		f.ActionURL = "https://hooks.example.com/?secret=1"
	})
	e.Account, e.Livemode, e.APIVersion = "acct_1", true, "2023-10-16"
	return e
}

func ignoredEvent(id string) store.Received {
	return store.Received{Event: stripeevent.Event{ID: id, Type: "customer.created", Ignored: "type not handled"}, Sequence: 1, ReceivedAt: noon}
}

func TestFactsThatAreWhatTheirEventsSayDifferInNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	undated := ignoredEvent("evt_undated")
	undated.Created = time.Time{}
	events := []store.Received{fullFact(1), paidFor(2, "reg-2"), paidFor(3, "reg-9"), ignoredEvent("evt_ignored"), undated}
	f.process(events...)
	again := fullFact(1)
	again.Sequence, again.ReceivedAt = 99, noon.Add(time.Hour) // the same event came twice
	f.exec(`DELETE FROM registrations WHERE id = 'reg-2'`)
	if got := f.checkFacts(append(events, again)...); len(got.Missing)+len(got.Differing)+len(got.Differences) > 0 {
		t.Errorf("got %+v", got)
	}
}

// Equal texts need no second look; other escapes than PostgreSQL's do.
func TestADetailIsWrittenAsPostgreSQLWritesIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, message := range []string{"Your card was declined & that's < 100 %.", "Votre carte a été refusée.", `"Declined" \ not.`} {
		e := fullFact(1)
		e.Fact.Message = message
		if got, want := store.Detail(e.Fact), f.get(`SELECT $1::jsonb`, store.Detail(e.Fact)); got != want {
			t.Errorf("%s is written as\n%s", want, got)
		}
	}
}

func TestEveryCorruptedFieldOfAFactIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 100)
	var events []store.Received
	want := []string{}
	for i, c := range []struct{ set, want string }{
		{`type = 'charge.refunded'`, "type: charge.refunded, disputed"},
		{`kind = 'paid'`, "kind: paid, disputed"},
		{`source = 'lookup'`, "source: lookup, stripe"},
		{`created = created + interval '1 microsecond'`, "created: 2026-03-10T12:00:03.000001Z, 2026-03-10T12:00:03Z"},
		{`account = NULL`, "account: -, acct_1"},
		{`livemode = false`, "livemode: false, true"},
		{`api_version = '2020-08-27'`, "api_version: 2020-08-27, 2023-10-16"},
		{`registration_ref = 'reg-99'`, "registration_ref: reg-99, reg-7"},
		{`session_id = 'cs_2'`, "session_id: cs_2, cs_1"},
		{`intent_id = NULL`, "intent_id: -, pi_1"},
		{`charge_id = 'ch_2'`, "charge_id: ch_2, ch_1"},
		{`detail = detail - 'amount'`, "detail.amount: -, 4500"},
		{`detail = detail || '{"amount": "4500"}'`, `detail.amount: "4500", 4500`},
		{`detail = detail || '{"reason": "duplicate", "extra": [1]}'`, "detail.extra: [1], -\ndetail.reason: \"duplicate\", \"fraudulent\""},
		{`detail = detail || '{"action_url": "https://elsewhere.example.com"}'`, "detail.action_url: another link, the event's link"},
		{`detail = '[]'`, "detail"},
		{`outcome = 'ignored', reason = 'type not handled', registration_id = NULL`, "outcome: ignored: type not handled, settled"},
		{`outcome = 'ignored', registration_id = NULL`, "outcome: ignored: , settled"},
		{`outcome = 'ignored', reason = 'registration deleted', registration_id = NULL`, "outcome: ignored: registration deleted, settled"},
		{`reason = 'why not'`, "reason: why not, -"},
	} {
		e := fullFact(i)
		events = append(events, e)
		f.register("e", e.Registration)
		f.process(e)
		f.exec(`UPDATE stripe_events SET `+c.set+` WHERE id = $1`, e.ID)
		got := lines(f.checkFacts(e).Differences)
		for j := range got {
			got[j] = got[j][len(e.ID)+1:]
		}
		if c.want == "detail" {
			if len(got) != 1 || got[0][:len("detail: [], {")] != "detail: [], {" {
				t.Errorf("%s: got %q", c.set, got)
			}
			continue
		}
		if joined := fmt.Sprint(got); joined != fmt.Sprint(slices.Collect(split(c.want))) {
			t.Errorf("%s: got %s, want %s", c.set, joined, c.want)
		}
		want = append(want, e.ID)
	}
	ignored := ignoredEvent("evt_ignored")
	f.process(ignored)
	f.exec(`UPDATE stripe_events SET reason = 'refund is pending' WHERE id = 'evt_ignored'`)
	if got := lines(f.checkFacts(ignored).Differences); !slices.Equal(got, []string{"evt_ignored reason: refund is pending, type not handled"}) {
		t.Errorf("got %q", got)
	}
	f.exec(`DELETE FROM stripe_events WHERE id = $1`, events[0].ID)
	all := f.checkFacts(append(events, fullFact(777))...)
	if len(all.Differing) != len(events)-1 || len(all.Missing) != 2 || all.Missing[0].ID != events[0].ID || all.Missing[1].ID != "evt_disputed_777" {
		t.Errorf("%d differ, want %d; missing %+v", len(all.Differing), len(want), all.Missing)
	}
}

func split(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		for i := range len(text) + 1 {
			if i == len(text) || text[i] == '\n' {
				if !yield(text[start:i]) {
					return
				}
				start = i + 1
			}
		}
	}
}

func TestRegistrationsOfEventsAreFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	events := []store.Received{paidFor(1, "reg-1"), paidFor(2, "reg-1"), paidFor(3, "reg-2"), paidFor(4, "reg-9"), ignoredEvent("evt_ignored")}
	f.process(events...)
	linked, stored, err := f.store.Registrations(t.Context(), append(events, paidFor(5, "reg-1")))
	if err != nil || !slices.Equal(linked, []string{"reg-1", "reg-2"}) || len(stored) != len(events) || stored["evt_paid_5"] {
		t.Errorf("got %q, %v, %v", linked, stored, err)
	}
}
