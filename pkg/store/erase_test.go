package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// told is a fact as Stripe's event tells it, of a registration that it names.
func told(id, ref string, f registration.Fact) store.Received {
	f.ID, f.Source, f.Created = id, registration.FromStripe, noon
	return store.Received{Event: stripeevent.Event{ID: id, Type: "x", Created: noon, Registration: ref, Fact: &f}, ReceivedAt: noon}
}

func (f *fixture) personal(id string) store.Personal {
	f.t.Helper()
	p, err := f.store.Personal(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func TestWhatIsHeldOfAPersonIsFoundAndErased(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.register("e", "reg-1", "reg-2")
	f.exec(`UPDATE registrations SET name = 'Ada', checkout_session_id = 'cs_1' WHERE id = 'reg-1'`)
	f.process(
		told("evt_1", "reg-1", registration.Fact{Kind: registration.Paid, Session: "cs_1", Intent: "pi_1", Amount: 4500, Currency: "eur"}))
	f.process(
		told("evt_2", "", registration.Fact{Kind: registration.Disputed, Intent: "pi_1", Charge: "ch_1", Dispute: "dp_1"}),
		told("evt_3", "reg-2", registration.Fact{Kind: registration.Paid, Session: "cs_2", Intent: "pi_2"}))
	f.exec(`INSERT INTO attention (registration_id, flag, object, raised_at, note) VALUES ('reg-1', 'x', 'x', now(), 'called Ada')`)
	before := f.personal("reg-1")
	if before.Status != registration.Failed || !before.Fields || before.Mails != 1 || before.Notes != 1 || before.Empty() ||
		strings.Join(before.IDs, " ") != "ch_1 cs_1 dp_1 pi_1 reg-1" {
		t.Errorf("%+v", before)
	}
	slices.Sort(before.Events)
	if !slices.Equal(before.Events, []string{"evt_1", "evt_2"}) {
		t.Errorf("events %v", before.Events)
	}
	for range 2 { // it can be run again
		if err := f.store.Erase(t.Context(), "reg-1"); err != nil {
			t.Fatal(err)
		}
	}
	after := f.personal("reg-1")
	if !after.Empty() || after.Status != registration.Failed || len(after.IDs) != 5 {
		t.Errorf("%+v", after)
	}
	for query, want := range map[string]string{
		`SELECT email || coalesce(name, '') FROM registrations WHERE id = 'reg-1'`:                                        "",
		`SELECT email FROM registrations WHERE id = 'reg-2'`:                                                              "reg-2@example.com",
		`SELECT string_agg(kind || ' ' || status, ', ' ORDER BY kind) FROM notifications WHERE registration_id = 'reg-1'`: "dispute_opened pending, payment_confirmed dropped",
		`SELECT string_agg(status, '') FROM notifications WHERE registration_id = 'reg-2'`:                                "pending",
		`SELECT count(*)::text FROM stripe_events WHERE registration_id = 'reg-1'`:                                        "2",
		`SELECT detail ->> 'amount' FROM stripe_events WHERE id = 'evt_1'`:                                                "4500",
	} {
		if got := f.get(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestARegistrationThatNobodyKnowsIsNotErased(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.register("e", "reg-1")
	f.process(told("evt_1", "reg-1", registration.Fact{Kind: registration.Paid, Session: "cs_1"}),
		told("evt_2", "reg-2", registration.Fact{Kind: registration.Paid, Session: "cs_2"}))
	f.exec(`DELETE FROM registrations WHERE id = 'reg-1'`)
	if p := f.personal("reg-1"); p.Status != "" || p.Fields || !slices.Equal(p.Events, []string{"evt_1"}) || strings.Join(p.IDs, " ") != "cs_1 reg-1" { // its events are left
		t.Errorf("%+v", p)
	}
	if p := f.personal("reg-2"); !slices.Equal(p.Events, []string{"evt_2"}) { // its row never came
		t.Errorf("%+v", p)
	}
	if _, err := f.store.Personal(t.Context(), "reg-3"); !errors.Is(err, store.ErrUnknownRegistration) || !strings.Contains(err.Error(), "reg-3") {
		t.Errorf("got %v", err)
	}
}

func TestNobodyIsMailedWithoutAnAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.register("e", "reg-1")
	if err := f.store.Erase(t.Context(), "reg-1"); err != nil {
		t.Fatal(err)
	}
	for n, kind := range []registration.FactKind{registration.Paid, registration.ChargeRefunded} {
		f.process(told([]string{"evt_1", "evt_2"}[n], "reg-1", registration.Fact{Kind: kind, Intent: "pi_1", Charge: "ch_1", Amount: 4500, FullyRefunded: true}))
		mails, err := f.store.ClaimMails(t.Context(), 10, time.Minute)
		if err != nil || len(mails) != 1 || mails[0].Wanted != nil {
			t.Errorf("%+v, %v", mails, err)
		}
		again, err := f.store.ClaimMails(t.Context(), 10, time.Minute)
		if err != nil || len(again) != 0 {
			t.Errorf("again %+v, %v", again, err)
		}
	}
	if got := f.get(`SELECT string_agg(DISTINCT status || ': ' || last_error, ', ') FROM notifications`); got != "dropped: the registration has no address" {
		t.Error(got)
	}
	if got := f.get(`SELECT status || email FROM registrations`); got != "REFUNDED" {
		t.Error(got)
	}
}
