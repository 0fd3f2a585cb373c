package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
)

// personal is what the simulated buyer must not be recognised by.
var personal = []string{simulate.BuyerName, "Lovelace", simulate.BuyerEmail, "@example", simulate.BuyerPhone, "Exemple", "75011"}

func discreet(t *testing.T, got result) {
	t.Helper()
	for _, word := range personal {
		if strings.Contains(got.stdout+got.stderr, word) {
			t.Errorf("%q is shown in\n%s%s", word, got.stdout, got.stderr)
		}
	}
}

// listing runs events and returns the ids it shows.
func listing(t *testing.T, w *workshop, args ...string) []string {
	t.Helper()
	got := w.guichet(append([]string{"events", "--output", "json"}, args...)...)
	var found []listed
	if err := json.Unmarshal([]byte(got.stdout), &found); err != nil || got.code != service.ExitOK {
		t.Fatalf("%v %+v", err, got)
	}
	discreet(t, got)
	ids := []string{}
	for _, l := range found {
		ids = append(ids, l.Event)
	}
	return ids
}

func TestEvents_ListsTheNewestLast(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	one, two := w.stripe.Payment("reg-1"), w.stripe.Payment("reg-2")
	events := []simulate.Event{
		one.Failed(simulate.CardDeclined()), two.Completed(), one.Completed(), one.Refunded(4500), two.Completed(simulate.OnAccount("acct_1")), w.stripe.Thin(),
	}
	w.publish(events...)
	ids := func(numbers ...int) []string {
		out := []string{}
		for _, n := range numbers {
			out = append(out, events[n].ID)
		}
		return out
	}
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"all":                 {nil, ids(0, 1, 2, 3, 4, 5)},
		"the newest":          {[]string{"--limit", "2"}, ids(4, 5)},
		"of types":            {[]string{"--type", "charge.*,payment_intent.payment_failed"}, ids(0, 3)},
		"of a registration":   {[]string{"--registration", "reg-1"}, ids(0, 2, 3)},
		"of a session":        {[]string{"--session", one.Session}, ids(2)},
		"of an intent":        {[]string{"--intent", one.Intent}, ids(0, 2, 3)},
		"of an account":       {[]string{"--account", "acct_1"}, ids(4)},
		"by sequence":         {[]string{"--from", "2", "--to", "3"}, ids(1, 2)},
		"since an hour":       {[]string{"--since", "1h"}, ids(0, 1, 2, 3, 4, 5)},
		"until two days ago":  {[]string{"--until", "2d"}, ids()},
		"until in the future": {[]string{"--until", "2999-01-01", "--limit", "1"}, ids(5)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := listing(t, w, c.args...); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestEvents_PrintsATableForPeople(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	if got := w.guichet("events"); got.code != service.ExitOK || got.stdout != "No event in the stream is such.\n" {
		t.Errorf("%+v", got)
	}
	payment := w.stripe.Payment("reg-1")
	event := payment.Completed()
	w.publish(event)
	got := w.guichet("events", "--limit", "1")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if got.code != service.ExitOK || len(lines) != 2 || strings.Join(strings.Fields(lines[0]), " ") != "SEQUENCE STORED DELAY TYPE EVENT REGISTRATION OBJECT" {
		t.Fatalf("%+v", got)
	}
	fields := strings.Fields(lines[1])
	if want := []string{"checkout.session.completed", event.ID, "reg-1", payment.Session}; len(fields) != 8 || fields[0] != "1" || !slices.Equal(fields[4:], want) {
		t.Errorf("%q", fields)
	}
	if !strings.Contains(got.stderr, "--limit") {
		t.Errorf("it does not say that there may be more: %q", got.stderr)
	}
	discreet(t, got)
}

func TestEvents_RefusesWhatNothingCanMeet(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"not before": {"--since", "1h", "--until", "2h"}, "after the": {"--from", "3", "--to", "2"}, "no event type": {"--type", "charge..x"},
		"no time": {"--since", "yesterday"}, "--limit": {"--limit", "0"},
	} {
		got := guichet(t, nil, append([]string{"events"}, args...)...)
		if got.code != service.ExitUsage || !strings.Contains(got.stderr, want) || got.stdout != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestEvents_SayThatNATSIsAway(t *testing.T) {
	t.Parallel()
	env := map[string]string{"NATS_URL": "nats://me:hunter2@127.0.0.1:1"}
	for _, args := range [][]string{{"events"}, {"events", "show", "evt_1"}} {
		got := guichet(t, env, args...)
		if got.code != service.ExitFailed || !strings.Contains(got.stderr, "reach NATS at 127.0.0.1:1") || strings.Contains(got.stderr, "hunter2") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestEventsShow_MasksWhoItIsAbout(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	payment := w.stripe.Payment("reg-1")
	w.publish(w.stripe.Payment("").Completed(), payment.Completed())
	event := listing(t, w)[1]
	got := w.guichet("events", "show", event)
	discreet(t, got)
	for _, want := range []string{"as 2 of STRIPE_EVENTS", "not that the database knew", "Stripe-Event-Type", `"registrationId": "reg-1"`, payment.Intent, `"customer_email": "***"`} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s", want, got.stdout)
		}
	}
	w.work()
	w.is("PAID", `SELECT status FROM registrations WHERE id = 'reg-1'`)
	if got := w.guichet("events", "show", event); !strings.Contains(got.stdout, "of registration reg-1") || got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
	masked := w.guichet("events", "show", event, "-o", "json")
	discreet(t, masked)
	var told shownEvent
	if err := json.Unmarshal([]byte(masked.stdout), &told); err != nil || told.Sequence != 2 || told.Inbox.RegistrationID != "reg-1" || told.Bytes != nil {
		t.Errorf("%v %+v", err, told)
	}
}

func TestEventsShow_ShowsAllOfItWhenTold(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	event := w.stripe.Payment("reg-1").Completed()
	w.publish(event)
	got := w.guichet("events", "show", event.ID, "--raw")
	if got.code != service.ExitOK || !strings.Contains(got.stdout, "\n\n"+string(event.Body)+"\n") {
		t.Errorf("%+v", got)
	}
	var told shownEvent
	got = w.guichet("events", "show", event.ID, "--raw", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &told); err != nil || string(told.Bytes) != string(event.Body) {
		t.Errorf("%v %s", err, told.Bytes)
	}
}

func TestEventsShow_FindsDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.publish(w.stripe.Payment("reg-1").Completed())
	w.store([]byte(`{"id":"evt_odd","type":"checkout.session.completed","created":1700000000,"data":{"object":{"id":"cs_1","customer_email":"ada@example.org","payment_status":"maybe"}}}`))
	w.work()
	w.holds(stream.DeadLetters, 1)
	inStream := w.guichet("events", "show", "evt_odd")
	letters, err := w.js.Stream(t.Context(), stream.Events)
	if err != nil {
		t.Fatal(err)
	}
	if err := letters.DeleteMsg(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	gone := w.guichet("events", "show", "evt_odd")
	for where, got := range map[string]result{"as 2 of STRIPE_EVENTS": inStream, "as 1 of STRIPE_DEAD_LETTERS": gone} {
		if got.code != service.ExitOK || !strings.Contains(got.stdout, where) || !strings.Contains(got.stdout, `payment_status is "maybe"`) {
			t.Errorf("%s: %+v", where, got)
		}
		discreet(t, got)
	}
}

func TestEventsShow_FindsItWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	event := w.stripe.Payment("reg-1").Completed()
	w.publish(event, w.stripe.Thin())
	u, err := url.Parse(w.env["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	for name, databaseURL := range map[string]string{"not set": "", "away": strings.Replace(u.String(), u.Host, "127.0.0.1:1", 1)} {
		got := guichet(t, map[string]string{"NATS_URL": w.env["NATS_URL"], "DATABASE_URL": databaseURL}, "events", "show", event.ID)
		if got.code != service.ExitOK || !strings.Contains(got.stdout, event.ID) || !strings.Contains(got.stderr, "The database is not asked") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestEventsShow_SaysWhereItLookedForWhatIsNowhere(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.register("reg-1")
	event := w.stripe.Payment("reg-1").Completed()
	w.publish(event)
	w.work()
	w.is("PAID", `SELECT status FROM registrations WHERE id = 'reg-1'`)
	s, err := w.js.Stream(t.Context(), stream.Events)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Fatal(err)
	}
	w.exec(`INSERT INTO stripe_events (id, type, outcome, registration_id, kind, source, created) VALUES ('hold_expired:reg-1:', 'guichet.hold_expired', 'settled', 'reg-1', 'hold_expired', 'clock', now())`)
	for id, want := range map[string]string{
		event.ID: "the stream holds it no longer", "evt_unknown": "neither in the stream nor among the dead letters", "hold_expired:reg-1:": "guichet trace reg-1",
	} {
		got := w.guichet("events", "show", id)
		if got.code != service.ExitFailed || !strings.Contains(got.stderr, want) || got.stdout != "" {
			t.Errorf("%s: %s", id, fmt.Sprintf("%+v", got))
		}
	}
}
