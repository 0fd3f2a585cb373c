package proof_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/educareschool/guichet/pkg/proof"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
)

// purchase is what Stripe tells of a payment, a dispute that names no registration last.
func (h *house) purchase(registrationID string) []simulate.Event {
	p := h.stripe.Payment(registrationID)
	return []simulate.Event{p.IntentMade(), p.Failed(simulate.CardDeclined()), p.Succeeded(), p.Completed(), p.Disputed()}
}

func TestADatabaseThatIsWhatItsStreamSaysIsProven(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.register("reg-1", "reg-2", "reg-3")
	h.publish(slices.Concat(h.purchase("reg-1"), h.purchase("reg-2"), h.purchase("reg-9"))...)
	h.process(100)
	h.publish(h.purchase("reg-3")...)
	h.exec(`DELETE FROM registrations WHERE id = 'reg-2'`)
	h.exec(`UPDATE registrations SET amount_due = 1 WHERE id = 'reg-3'`)
	report := h.wantSound()
	want := proof.Report{Messages: 20, First: 1, Last: 20, Equal: 15, NotProcessed: 5, Registrations: 2, NotSettled: 1, Seats: 1}
	if report.FirstStored.IsZero() || report.LastStored.Before(report.FirstStored) {
		t.Errorf("%+v", report)
	}
	report.FirstStored, report.LastStored = time.Time{}, time.Time{}
	if report.Unmendable != nil || !equal(report, want) {
		t.Errorf("got  %+v\nwant %+v", report, want)
	}
}

func equal(a, b proof.Report) bool {
	a.Unmendable, b.Unmendable = nil, nil
	return a.Messages == b.Messages && a.First == b.First && a.Last == b.Last && a.Equal == b.Equal && a.DeadLetters == b.DeadLetters &&
		a.NotProcessed == b.NotProcessed && a.Registrations == b.Registrations && a.NotSettled == b.NotSettled && a.Seats == b.Seats &&
		a.Differences == b.Differences
}

func TestWhatWasLostIsNamedAndStoredAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.register("reg-1", "reg-2")
	h.publish(slices.Concat(h.purchase("reg-1"), h.purchase("reg-2"))...)
	h.process(100)
	h.exec(`UPDATE notifications SET status = 'sent'`)
	before := h.state()
	h.exec(`DELETE FROM stripe_events WHERE type IN ('checkout.session.completed', 'charge.dispute.created') AND registration_id = 'reg-1'`)
	h.exec(`DELETE FROM notifications WHERE registration_id = 'reg-1'`)
	h.exec(`UPDATE registrations SET due_at = now()`)
	h.settle()
	h.exec(`DELETE FROM notifications WHERE registration_id = 'reg-1'`)
	report, found := h.verify(proof.Options{})
	if len(found) != 2 || report.Missing != 2 || !strings.HasSuffix(found[0], " fact: -, paid of reg-1") && !strings.HasSuffix(found[1], " fact: -, paid of reg-1") {
		t.Errorf("found %q", found)
	}
	if _, again := h.verify(proof.Options{Mend: true}); !slices.Equal(again, found) {
		t.Errorf("found %q, then %q", found, again)
	}
	h.wantSound()
	if after := h.state(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if n := h.get(`SELECT count(*) FROM notifications WHERE status = 'pending'`); n != "0" {
		t.Errorf("%s mails would go out", n)
	}
}

// state is what all registrations are, their places and their attention.
func (h *house) state() string {
	h.t.Helper()
	return h.get(`
SELECT string_agg(concat_ws(' ', r.id, r.status, r.cause, r.seat_wished, r.seat_held, r.attention, r.deadline, r.paid_at, r.removed_at IS NOT NULL, e.seats_held),
    E'\n' ORDER BY r.id)
FROM registrations r JOIN events e ON e.id = r.event_id`)
}

func TestEveryKindOfDamageIsFoundAndMended(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage string
		want   []string // about and field
	}{
		"a status":              {`UPDATE registrations SET status = 'CANCELED' WHERE id = 'reg-1'`, []string{"registration status"}},
		"a held place":          {`UPDATE registrations SET seat_held = true WHERE id = 'reg-2'`, []string{"registration seat_held"}},
		"a lost place":          {`ALTER TABLE registrations DISABLE TRIGGER USER; UPDATE registrations SET seat_held = false WHERE id = 'reg-1'; ALTER TABLE registrations ENABLE TRIGGER USER`, []string{"registration attention", "registration attention raised", "registration seat_held", "seats seats_held"}},
		"a count of places":     {`UPDATE events SET seats_held = 77`, []string{"seats seats_held"}},
		"a fact's kind":         {`UPDATE stripe_events SET kind = 'canceled' WHERE kind = 'paid' AND registration_id = 'reg-1'`, []string{"event kind", "registration paid_at", "registration seat_wished", "registration status", "registration removed", "registration seat_held"}},
		"a fact's amount":       {`UPDATE stripe_events SET detail = detail || '{"amount": 1}' WHERE kind = 'paid' AND registration_id = 'reg-1'`, []string{"event detail.amount"}},
		"an unreadable fact":    {`UPDATE stripe_events SET detail = '{"amount": []}' WHERE kind = 'paid' AND registration_id = 'reg-1'`, []string{"event detail.amount", "event detail.currency", "registration facts"}},
		"a fact's registration": {`UPDATE stripe_events SET registration_id = 'reg-2' WHERE kind = 'paid' AND registration_id = 'reg-1'`, nil},
		"a loose fact":          {`UPDATE stripe_events SET registration_id = NULL, outcome = 'waiting' WHERE kind = 'paid' AND registration_id = 'reg-1'`, nil},
		"a fact of nobody":      {`UPDATE stripe_events SET registration_id = 'reg-7' WHERE kind = 'paid' AND registration_id = 'reg-1'`, nil},
		"attention":             {`INSERT INTO attention (registration_id, flag, object, raised_at) VALUES ('reg-1', 'refund_failed', 're_1', now())`, []string{"registration attention raised"}},
		"everything": {`UPDATE registrations SET status = 'FAILED', cause = 'payment', deadline = now(), paid_at = NULL;
			UPDATE events SET seats_held = 0;
			UPDATE stripe_events SET created = created + interval '1 day', charge_id = 'ch_x', registration_id = 'reg-2' WHERE registration_id IS NOT NULL;
			DELETE FROM stripe_events WHERE kind = 'paid'`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.register("reg-1", "reg-2")
			one, two := h.stripe.Payment("reg-1"), h.stripe.Payment("reg-2")
			h.publish(one.Failed(simulate.CardDeclined()), one.Succeeded(), one.Completed(), two.SessionExpired(), two.Canceled("abandoned"))
			h.process(100)
			h.exec(`UPDATE notifications SET status = 'sent'`)
			h.wantSound()
			before := h.state()
			h.exec(c.damage)
			report, found := h.verify(proof.Options{})
			if len(found) == 0 {
				t.Fatal("nothing was found")
			}
			if c.want != nil {
				var got []string
				for _, f := range found {
					about, rest, _ := strings.Cut(f, " ")
					_, rest, _ = strings.Cut(rest, " ")
					field, _, _ := strings.Cut(rest, ":")
					got = append(got, about+" "+field)
				}
				slices.Sort(got)
				slices.Sort(c.want)
				if !slices.Equal(got, c.want) {
					t.Errorf("got  %q\nwant %q", got, c.want)
				}
			}
			mended, _ := h.verify(proof.Options{Mend: true})
			if len(mended.Unmendable) > 0 {
				t.Errorf("%+v", mended.Unmendable)
			}
			h.wantSound()
			if after := h.state(); after != before {
				t.Errorf("before\n%s\nafter\n%s\nfound %+v %q", before, after, report, found)
			}
			if n := h.get(`SELECT count(*) FROM notifications WHERE status = 'pending'`); n != "0" {
				t.Errorf("%s mails would go out", n)
			}
		})
	}
}

func TestADeadLetterIsWhereItBelongs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.register("reg-1")
	bad := func(id string) { h.put(id, "charge.refunded", []byte(`{"id": "`+id+`", "type": "charge.refunded"}`)) }
	bad("evt_bad_1")
	bad("evt_bad_2")
	bad("evt_bad_3")
	h.put("", "x", []byte(`not JSON`))
	h.process(100)
	_, found := h.verify(proof.Options{})
	if len(found) != 4 || !strings.Contains(found[0], "event ? dead letter: -, undecodable event") {
		t.Errorf("found %q", found)
	}
	if report, _ := h.verify(proof.Options{Mend: true}); len(report.Unmendable) != 4 {
		t.Errorf("%+v", report.Unmendable)
	}
	bury := func(sequence, id string) {
		m := nats.NewMsg(stream.DeadSubjectPrefix + "x")
		m.Header.Set(stream.HeaderDeadSequence, sequence)
		if id != "" {
			m.Header.Set(stream.HeaderEventID, id)
		}
		if _, err := h.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	bury("1", "evt_bad_1")
	bury("99", "evt_bad_2") // redriven, and dead again
	bury("4", "")
	number, err := h.store.BeginOperation(t.Context(), "dead drop", "somebody", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.store.FinishOperation(t.Context(), number, map[string]any{"events": []string{"evt_bad_3"}}, nil); err != nil {
		t.Fatal(err)
	}
	if report := h.wantSound(); report.DeadLetters != 4 || report.Messages != 4 {
		t.Errorf("%+v", report)
	}
}

func TestAPartIsVerified(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.register("reg-1", "reg-2")
	h.publish(slices.Concat(h.purchase("reg-1"), h.purchase("reg-2"))...)
	h.process(100)
	h.exec(`UPDATE stripe_events SET kind = 'canceled' WHERE kind = 'disputed'`)
	report, found := h.verify(proof.Options{Scope: proof.Scope{Registration: "reg-1"}})
	if report.Messages != 5 || report.Registrations != 1 || report.Seats != 1 || len(found) == 0 ||
		slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "reg-2") }) {
		t.Errorf("%+v, %q", report, found)
	}
	later := proof.Scope{Since: time.Now().Add(time.Hour)}
	if report, found := h.verify(proof.Options{Scope: later}); report.Messages != 0 || report.Registrations != 0 || len(found) > 0 {
		t.Errorf("%+v, %q", report, found)
	}
	earlier := proof.Scope{Since: time.Now().Add(-time.Hour)}
	if report, found := h.verify(proof.Options{Scope: earlier}); report.Messages != 10 || report.Registrations != 2 || len(found) == 0 {
		t.Errorf("%+v, %q", report, found)
	}
}

func TestAnEventThatTheStreamHoldsTwiceIsOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.register("reg-1")
	e := h.stripe.Payment("reg-1").Completed()
	h.publish(e, e)
	h.process(100)
	if report := h.wantSound(); report.Equal != 2 {
		t.Errorf("%+v", report)
	}
	h.exec(`DELETE FROM stripe_events`)
	if report, _ := h.verify(proof.Options{Mend: true}); report.Missing != 1 {
		t.Errorf("%+v", report)
	}
	h.wantSound()
}

func TestWhatPostgreSQLRefusesIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.register("reg-1", "reg-2")
	h.publish(slices.Concat(h.purchase("reg-1"), h.purchase("reg-2"))...)
	h.process(100)
	h.exec(`DELETE FROM stripe_events WHERE kind = 'paid'`)
	h.exec(`UPDATE stripe_events SET api_version = 'none' WHERE kind = 'disputed'`)
	h.exec(`UPDATE registrations SET cause = 'payment'`)
	h.exec(`ALTER TABLE registration_history ADD CHECK (registration_id <> 'reg-1') NOT VALID`)
	report, _ := h.verify(proof.Options{Mend: true})
	if len(report.Unmendable) == 0 {
		t.Errorf("%+v", report)
	}
	if _, found := h.verify(proof.Options{Scope: proof.Scope{Registration: "reg-2"}}); len(found) > 0 {
		t.Errorf("found %q", found)
	}
}

func TestARunEndsWithItsCallersErrorAndWithItsContext(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.register("reg-1")
	h.publish(h.purchase("reg-1")...)
	h.process(100)
	h.exec(`DELETE FROM stripe_events`)
	subject := proof.Subject{JS: h.js, Store: h.store}
	_, err := proof.Verify(t.Context(), subject, proof.Options{Found: func(store.Difference) error { return errors.ErrUnsupported }})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := proof.Verify(ctx, subject, proof.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestProgressIsTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.register("reg-1")
	h.publish(h.purchase("reg-1")...)
	h.process(100)
	var most [2]uint64
	_, _ = h.verify(proof.Options{Progress: func(done, total uint64) { most = [2]uint64{max(most[0], done), max(most[1], total)} }})
	if most != [2]uint64{6, 6} { // 5 events, 1 registration
		t.Errorf("told of %d of %d", most[0], most[1])
	}
}
