package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func pack(events []store.Received) []store.Packed {
	var out []store.Packed
	for _, e := range events {
		out = append(out, store.Pack(e))
	}
	return out
}

// foresee returns what a store foresees, as "id field: stored, should be" and "id mail slot", and how many events wait.
func (f *fixture) foresee(s *store.Store, events ...store.Received) ([]string, int) {
	f.t.Helper()
	out := []string{}
	waiting, err := s.Foresee(context.Background(), pack(events), func(seen store.Foreseen) error {
		out = append(out, lines(seen.Changes)...)
		for _, m := range seen.Mails {
			out = append(out, seen.RegistrationID+" mail "+m.Slot)
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	slices.Sort(out)
	return out, waiting
}

func TestWhatStoringWouldChangeIsForeseen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2")
	f.sweep()
	dispute := fact(5, registration.Disputed, "", of("", "", "ch_1"), func(f *registration.Fact) { f.Dispute = "dp_1" })
	f.process(dispute) // it waits for what ties its charge to a registration
	missing := []store.Received{
		paidFor(1, "reg-1"), fact(2, registration.IntentSucceeded, "", of("", "pi_reg-1", "ch_1")), canceledFor(3, "reg-2"), paidFor(4, "reg-9"),
	}
	got, waiting := f.foresee(f.store, missing...)
	want := []string{
		"reg-1 cause: -, dispute", "reg-1 deadline: 2026-03-11T13:00:00Z, -", "reg-1 mail dispute:dp_1", "reg-1 paid_at: -, 2026-03-10T12:00:01Z", "reg-1 status: PENDING, FAILED",
		"reg-2 deadline: 2026-03-11T13:00:00Z, -", "reg-2 mail removed:pi_reg-2", "reg-2 removed: false, true", "reg-2 seat_held: true, false", "reg-2 status: PENDING, CANCELED",
	}
	if !slices.Equal(got, want) || waiting != 1 {
		t.Errorf("%d wait, got  %q\nwant %q", waiting, got, want)
	}
	off, _ := f.foresee(f.open(store.Options{MailsOff: true}), missing...)
	if !slices.Contains(off, "reg-1 mail paid:pi_reg-1") { // that would be confirmed once the dispute is won
		t.Errorf("got %q", off)
	}
	f.wantLinks("evt_disputed_5 waiting")
}

func TestAPlaceIsForeseenIfOneIsFree(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.exec(`INSERT INTO events (id, title, capacity) VALUES ('limited', 'x', 1), ('unlimited', 'x', NULL)`)
	for n, event := range []string{"limited", "unlimited"} {
		f.register(event, event)
		f.process(canceledFor(n, event))
	}
	seat := func() []string {
		got, _ := f.foresee(f.store, paidFor(2, "limited"), paidFor(3, "unlimited"))
		return slices.DeleteFunc(got, func(line string) bool { return !strings.Contains(line, "seat") })
	}
	if got := seat(); !slices.Equal(got, []string{"limited seat_held: false, true, if one of 1 is left", "unlimited seat_held: false, true"}) {
		t.Errorf("got %q", got)
	}
	f.register("limited", "another")
	if got := seat(); !slices.Equal(got, []string{
		"limited attention: -, paid_without_seat", "limited mail attention:paid_without_seat:pi_limited", "unlimited seat_held: false, true",
	}) {
		t.Errorf("got %q", got)
	}
}

func TestSettlingAnewIsForeseen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2", "reg-3")
	f.process(paidFor(1, "reg-1"), paidFor(2, "reg-2"))
	f.settleAll()
	foreseen := func() []store.Foreseen {
		found, err := f.store.ForeseeSettled(t.Context(), []string{"reg-1", "reg-2", "reg-3", "reg-9"})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := foreseen(); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
	f.exec(`UPDATE registrations SET status = 'EXPIRED' WHERE id = 'reg-1'`)
	f.exec(`UPDATE registrations SET amount_due = 1 WHERE id = 'reg-2'`) // the sweeper sees to it
	if got := foreseen(); len(got) != 1 || !slices.Equal(lines(got[0].Changes), []string{"reg-1 status: EXPIRED, PAID"}) {
		t.Errorf("got %+v", got)
	}
}

const comparedState = `
SELECT r.id || ' ' || concat_ws(' ', r.status, r.cause, r.seat_held, r.deadline, r.paid_at, r.removed_at IS NOT NULL, r.attention)
FROM registrations r ORDER BY r.id`

// What is foreseen of a story's lost part is what comes of it when it is stored.
func TestForesightIsTrue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	off := f.open(store.Options{MailsOff: true})
	rapid.Check(t, func(rt *rapid.T) {
		f.exec(resetWorld)
		f.exec(`UPDATE events SET capacity = NULL`)
		f.now = noon.Add(2 * time.Hour)
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") }
		for range rapid.IntRange(1, 6).Draw(rt, "registrations") {
			f.exec(`INSERT INTO registrations (id, event_id, email, created_at, amount_due) VALUES ($1, $2, 'x', $3, 2500) ON CONFLICT DO NOTHING`,
				someRegistration(pick), someEvent(pick), noon)
		}
		var events []store.Received
		for n := range rapid.IntRange(1, 12).Draw(rt, "events") {
			events = append(events, someFact(n, pick))
		}
		kept := rapid.IntRange(0, len(events)-1).Draw(rt, "kept")
		f.process(events[:kept]...)
		f.settleAll()
		f.send()
		before := f.list(comparedState)
		slots := f.list(`SELECT registration_id || ' mail ' || slot FROM notifications WHERE registration_id IS NOT NULL ORDER BY 1`)
		foreseen, waiting := f.foresee(off, events[kept:]...)
		changed := map[string]bool{}
		var mails []string
		for _, line := range foreseen {
			id, rest, _ := strings.Cut(line, " ")
			if strings.HasPrefix(rest, "mail ") {
				mails = append(mails, line)
			} else {
				changed[id] = true
			}
		}
		if _, err := off.Process(context.Background(), events[kept:]); err != nil {
			rt.Fatal(err)
		}
		for i, after := range f.list(comparedState) {
			id, _, _ := strings.Cut(after, " ")
			if (after != before[i]) != changed[id] {
				rt.Fatalf("foreseen %q\nbefore %s\nafter  %s", foreseen, before[i], after)
			}
		}
		got := f.list(`SELECT registration_id || ' mail ' || slot FROM notifications WHERE registration_id IS NOT NULL ORDER BY 1`)
		got = slices.DeleteFunc(got, func(line string) bool { return slices.Contains(slots, line) })
		slices.Sort(got)
		if !slices.Equal(got, mails) && len(got)+len(mails) > 0 {
			rt.Fatalf("foreseen mails %q, new ones %q", mails, got)
		}
		if still := f.get(`SELECT count(*) FROM stripe_events WHERE outcome = 'waiting' AND id = ANY (string_to_array($1, ' '))`, strings.Join(eventIDs(events[kept:]), " ")); still != fmt.Sprint(waiting) {
			rt.Fatalf("%d were to wait, %s do", waiting, still)
		}
	})
}

func eventIDs(events []store.Received) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.ID)
	}
	return out
}
