package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func (f *fixture) story(id string) store.Story {
	f.t.Helper()
	s, err := f.store.Story(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// about is an event about the objects of payment n, which names a registration or nobody.
func about(n int, kind registration.FactKind, ref string, change ...func(*registration.Fact)) store.Received {
	fact := registration.Fact{
		ID: fmt.Sprintf("evt_%d_%s", n, kind), Kind: kind, Source: registration.FromStripe, Created: noon.Add(time.Duration(n) * time.Second),
		Session: fmt.Sprintf("cs_%d", n), Intent: fmt.Sprintf("pi_%d", n), Charge: fmt.Sprintf("ch_%d", n), Amount: 4500, Currency: "eur",
	}
	for _, c := range change {
		c(&fact)
	}
	return store.Received{
		Event:    stripeevent.Event{ID: fact.ID, Type: "x", Created: fact.Created, Registration: ref, Fact: &fact},
		Sequence: uint64(n), ReceivedAt: fact.Created.Add(time.Second),
	}
}

func disputes(id string) func(*registration.Fact) {
	return func(f *registration.Fact) { f.Dispute, f.Session, f.Created = id, "", f.Created.Add(time.Hour) }
}

func TestAStoryIsFoundByEveryIdThatLeadsToIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("gala", 5)
	f.register("gala", "reg-1", "reg-2")
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_own', amount_due = 4500, currency = 'eur' WHERE id = 'reg-1'`)
	f.process(about(1, registration.Paid, "reg-1"), about(1, registration.Disputed, "", disputes("dp_1")), about(2, registration.Paid, "reg-2"))
	if _, err := f.store.BeginOperation(t.Context(), "replay", "ada", map[string]any{"ids": []string{"evt_1_paid"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.BeginOperation(t.Context(), "erase", "ada", map[string]any{"registration": "reg-2"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"reg-1", "evt_1_paid", "evt_1_disputed", "cs_own", "cs_1", "pi_1", "ch_1", "dp_1"} {
		s := f.story(id)
		if s.Registration == nil || s.Registration.ID != "reg-1" || !s.Known() {
			t.Errorf("%s leads to %+v", id, s.Registration)
			continue
		}
		r := s.Registration
		if r.EventTitle != "gala" || r.Status != registration.Failed || r.Cause != registration.CauseDispute || !r.SeatHeld || r.Session != "cs_own" || r.Blanked ||
			*r.AmountDue != 4500 || r.SessionSetAt == nil || !r.CreatedAt.Equal(noon) {
			t.Errorf("row: %+v", r)
		}
		if len(s.Events) != 2 || len(s.History) != 1 || len(s.Mails) != 1 || len(s.Attention) != 0 || len(s.Waiting) != 0 ||
			len(s.Operations) != 1 || s.Operations[0].Command != "replay" {
			t.Errorf("%s: %d events, %d moves, %d mails, %d flags, %d waiting, operations %+v", id, len(s.Events), len(s.History), len(s.Mails), len(s.Attention), len(s.Waiting), s.Operations)
		}
	}
	s := f.story("reg-1")
	fact, err := s.Events[0].Fact()
	if err != nil || fact.Kind != registration.Paid || fact.Amount != 4500 || fact.Session != "cs_1" || s.Events[0].Sequence != 1 || !s.Events[0].ReceivedAt.Equal(noon.Add(2*time.Second)) {
		t.Errorf("%+v (%v)", fact, err)
	}
	core := s.Registration.Core()
	if core.ID != "reg-1" || core.Session != "cs_own" || core.Currency != "eur" || core.SessionSetAt.IsZero() || !core.SessionExpiresAt.IsZero() {
		t.Errorf("%+v", core)
	}
}

func TestEventsWithoutARegistrationHaveAStoryOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process(
		about(1, registration.Disputed, "", disputes("dp_1")), about(1, registration.Paid, "reg-late"), about(2, registration.Paid, ""),
		store.Received{Event: stripeevent.Event{ID: "evt_odd", Type: "customer.created", Ignored: "type not handled"}},
	)
	f.now = noon.Add(time.Hour)
	if _, err := f.store.RaiseUnlinked(context.Background(), 15*time.Minute, 10); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"dp_1", "evt_1_disputed", "reg-late", "cs_1", "pi_1", "ch_1"} {
		s := f.story(id)
		if s.Registration != nil || len(s.Events) != 2 || len(s.Attention) != 2 || len(s.Mails) != 2 {
			t.Errorf("%s: %d events, %d flags, %d mails, %+v", id, len(s.Events), len(s.Attention), len(s.Mails), s.Registration)
		}
	}
	if s := f.story("evt_odd"); len(s.Events) != 1 || s.Events[0].Reason != "type not handled" {
		t.Errorf("%+v", s)
	}
	for _, id := range []string{"reg-unknown", "evt_unknown", ""} {
		if s := f.story(id); s.Known() || len(s.Mails) > 0 {
			t.Errorf("%q: %+v", id, s)
		}
	}
}

func TestAStoryTellsOfWhatWaitsBesideItsRegistration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("gala", 5)
	f.process(about(1, registration.Paid, "reg-1"))
	f.register("gala", "reg-1") // and nobody has swept it yet
	s := f.story("reg-1")
	if s.Registration == nil || s.Registration.DueAt == nil || len(s.Events) != 0 || len(s.Waiting) != 1 || s.Waiting[0].ID != "evt_1_paid" {
		t.Errorf("%+v", s)
	}
	f.sweep()
	if s := f.story("reg-1"); s.Registration.DueAt != nil || len(s.Events) != 1 || len(s.Waiting) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAStoryTellsOfAReplayThatRanWhileItChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("gala", 5)
	f.register("gala", "reg-1")
	run := func(command string, from, to time.Duration) {
		t.Helper()
		f.now = noon.Add(from)
		id, err := f.store.BeginOperation(t.Context(), command, "ada", map[string]string{"since": "72h"})
		if err != nil {
			t.Fatal(err)
		}
		f.now = noon.Add(to)
		if err := f.store.FinishOperation(t.Context(), id, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	run("replay", 0, time.Hour)
	run("replay", 2*time.Hour, 4*time.Hour)
	run("backfill", 2*time.Hour, 4*time.Hour)
	run("verify --repair", 5*time.Hour, 6*time.Hour)
	f.now = noon.Add(3 * time.Hour)
	f.process(about(1, registration.Paid, "reg-1"))
	if s := f.story("reg-1"); len(s.Operations) != 1 || s.Operations[0].ID != 2 {
		t.Errorf("%+v", s.Operations)
	}
}

func TestADeletedRegistrationLeavesTheStoryOfItsEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("gala", 5)
	f.register("gala", "reg-1")
	f.process(about(1, registration.Paid, "reg-1"))
	f.exec(`DELETE FROM registrations`)
	for _, id := range []string{"reg-1", "cs_1", "evt_1_paid"} {
		if s := f.story(id); s.Registration != nil || len(s.Events) != 1 || s.Events[0].Reason != "registration deleted" {
			t.Errorf("%s: %+v", id, s)
		}
	}
}
