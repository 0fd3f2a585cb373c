package timeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/timeline"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) *time.Time {
	t := noon.Add(d)
	return &t
}

// row is a registration made at noon, as far as a test changes it.
func row(change func(*store.Registered)) *store.Registered {
	due := int64(4500)
	r := &store.Registered{
		ID: "reg-1", EventID: "gala", EventTitle: "Gala", CreatedAt: noon, AmountDue: &due, Currency: "eur",
		Status: registration.Pending, SeatWished: true, SeatHeld: true,
	}
	change(r)
	return r
}

// entry is an event of the registration, made and processed so long after noon.
func entry(id string, after time.Duration, f registration.Fact) store.Entry {
	created := noon.Add(after)
	received := created.Add(300 * time.Millisecond)
	e := store.Entry{
		ID: id, Type: "x", Outcome: store.EventSettled, RegistrationID: "reg-1", Kind: string(f.Kind), Source: string(f.Source),
		Created: &created, ReceivedAt: &received, StoredAt: received.Add(time.Millisecond), Session: f.Session, Intent: f.Intent, Charge: f.Charge, Detail: []byte(store.Detail(&f)),
	}
	if e.Source == "" {
		e.Source = string(registration.FromStripe)
	}
	return e
}

func waits(e store.Entry, ref string) store.Entry {
	e.Outcome, e.RegistrationID, e.Ref = store.EventWaiting, "", ref
	return e
}

func ignored(id, reason string) store.Entry {
	return store.Entry{ID: id, Type: "x", Outcome: store.EventIgnored, Reason: reason, Source: "stripe", StoredAt: noon}
}

func tell(t *testing.T, story store.Story, beyond timeline.Beyond, now time.Time) timeline.Account {
	t.Helper()
	a, err := timeline.Tell(story, beyond, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWhatIsWaitedForIsSaid(t *testing.T) {
	t.Parallel()
	paid := registration.Fact{Kind: registration.Paid, Session: "cs_1", Intent: "pi_1", Amount: 4500, Currency: "eur"}
	failed := registration.Fact{Kind: registration.PaymentFailed, Intent: "pi_1", Charge: "ch_1"}
	status := func(s registration.Status, c registration.Cause, change ...func(*store.Registered)) *store.Registered {
		return row(func(r *store.Registered) {
			r.Status, r.Cause = s, c
			for _, f := range change {
				f(r)
			}
		})
	}
	deadline := func(d time.Duration) func(*store.Registered) {
		return func(r *store.Registered) { r.Deadline = after(d) }
	}
	noSeat := func(r *store.Registered) { r.SeatHeld = false }
	nothing := "Nothing: it stays so unless something new comes."
	for name, c := range map[string]struct {
		story  store.Story
		beyond timeline.Beyond
		state  string
		want   []string
	}{
		"a payment, of which nothing has come": {
			story: store.Story{Registration: status(registration.Pending, "", deadline(25*time.Hour))}, state: "PENDING, its place is held.",
			want: []string{"A payment, of which no event has come, until 2026-03-11 13:00:00 (in 1d): then it expires and its place is released. `guichet backfill` asks Stripe for events that did not arrive."},
		},
		"a payment without a deadline": {
			story: store.Story{Registration: status(registration.Pending, ""), Events: []store.Entry{entry("evt_1", 0, registration.Fact{Kind: registration.ActionRequired, Intent: "pi_1"})}},
			state: "PENDING, its place is held.", want: []string{"A payment."},
		},
		"cleanup, of a payment": {
			story: store.Story{Registration: status(registration.Pending, "", deadline(30*time.Minute))}, state: "PENDING, its place is held.",
			want: []string{"Cleanup: the deadline for a payment was 2026-03-10 12:30:00. It runs every few minutes, and never ahead of unprocessed events."},
		},
		"money on its way": {
			story: store.Story{Registration: status(registration.Pending, ""), Events: []store.Entry{entry("evt_1", 0, registration.Fact{Kind: registration.PaymentProcessing, Session: "cs_1", Intent: "pi_1"})}},
			state: "PENDING, its place is held.",
			want:  []string{"The money of pi_1, which is on its way: delayed methods take days, and its place has no deadline till then."},
		},
		"the event that confirms": {
			story: store.Story{Registration: status(registration.Pending, ""), Events: []store.Entry{entry("evt_1", 0, registration.Fact{Kind: registration.IntentSucceeded, Intent: "pi_1"})}},
			state: "PENDING, its place is held.",
			want:  []string{"The event of the session that confirms pi_1: the money may be in, and its place has no deadline. `guichet backfill` asks Stripe for events that did not arrive."},
		},
		"another try": {
			story: store.Story{Registration: status(registration.Failed, registration.CausePayment, deadline(3*time.Hour)), Events: []store.Entry{entry("evt_1", 0, failed)}},
			state: "FAILED by payment, its place is held.",
			want:  []string{"Another try to pay, until 2026-03-10 15:00:00 (in 2h): then its place is released."},
		},
		"cleanup, of a place": {
			story: store.Story{Registration: status(registration.Failed, registration.CausePayment, deadline(time.Minute))}, state: "FAILED by payment, its place is held.",
			want: []string{"Cleanup: the time of its place was over at 2026-03-10 12:01:00. It runs every few minutes, and never ahead of unprocessed events."},
		},
		"another try, without a place": {
			story: store.Story{Registration: status(registration.Failed, registration.CausePayment, noSeat)}, state: "FAILED by payment, without a place.",
			want: []string{"Another try to pay; its place was released."},
		},
		"another try, for ever": {
			story: store.Story{Registration: status(registration.Failed, registration.CausePayment)}, state: "FAILED by payment, its place is held.",
			want: []string{"Another try to pay."},
		},
		"a bank": {
			story: store.Story{Registration: status(registration.Failed, registration.CauseDispute), Events: []store.Entry{
				entry("evt_1", 0, paid), entry("evt_2", time.Minute, registration.Fact{Kind: registration.Disputed, Dispute: "dp_1", Intent: "pi_1", Amount: 4500, Currency: "eur"}),
			}},
			state: "FAILED by dispute, its place is held.", want: []string{"The bank's decision on dispute dp_1 over €45.00."},
		},
		"a place, and a person": {
			story: store.Story{
				Registration: status(registration.PaidStatus, "", noSeat, func(r *store.Registered) { r.Flags = []string{"paid_without_seat"} }),
				Events:       []store.Entry{entry("evt_1", 0, paid)},
				Attention: []store.Occurrence{
					{ID: 7, Flag: "paid_without_seat", Object: "pi_1", RaisedAt: noon}, {ID: 8, Flag: "refund_failed", RaisedAt: noon, ClearedAt: after(1)},
					{ID: 9, Flag: "amount_mismatch", RaisedAt: noon, AcknowledgedAt: after(1)},
				},
			},
			state: "PAID, without a place; attention: paid_without_seat.",
			want: []string{
				"A place at gala: the next that comes free goes to the oldest payment without one. Raise the capacity, or refund.",
				"A person: it is paid, and no place was left (paid_without_seat). `guichet attention ack 7 --note …` once it is seen to.",
			},
		},
		"mails": {
			story: store.Story{
				Registration: status(registration.PaidStatus, ""),
				Mails: []store.Mail{
					{ID: 1, Kind: registration.MailPaymentConfirmed, Slot: "paid:pi_1", Status: store.MailPending, SendAfter: noon.Add(2 * time.Hour), Attempts: 3, LastError: "421 busy"},
					{ID: 2, Kind: registration.MailDisputeOpened, Slot: "dispute:dp_1", Status: store.MailFailed}, {ID: 3, Status: store.MailSent},
					{ID: 4, Kind: registration.MailPaymentFailed, Slot: "x", Status: store.MailPending, SendAfter: noon},
				},
			},
			state: "PAID, its place is held.",
			want: []string{
				"Mail 1, payment_confirmed (pi_1), whose turn is at 2026-03-10 14:00:00 (in 1h), after 3 tries: 421 busy.",
				"A person: mail 2, dispute_opened (dp_1), was given up. `guichet mails retry 2` tries it again.",
				"Mail 4, payment_failed, whose turn is at 2026-03-10 12:00:00 (1h ago).",
			},
		},
		"workers": {
			story: store.Story{
				Registration: status(registration.PaidStatus, "", func(r *store.Registered) { r.DueAt = after(0) }), Waiting: []store.Entry{waits(entry("evt_1", 0, paid), "reg-1")},
			},
			beyond: timeline.Beyond{Behind: 5000, Unprocessed: []timeline.Stored{{ID: "evt_2"}, {ID: "evt_3"}}},
			state:  "PAID, its place is held.",
			want: []string{
				"A worker: 2 events about it are stored and not processed yet. The workers are 5000 events behind (guichet status).",
				"A worker: 1 event that names it is not linked to it yet, which takes seconds.",
				"A worker: the platform made or changed the row at 2026-03-10 12:00:00, and it is not settled since, which takes seconds.",
			},
		},
		"a person, for a dead letter": {
			story: store.Story{Registration: status(registration.RefundedStatus, "", noSeat)}, beyond: timeline.Beyond{Dead: []timeline.Stored{{ID: "evt_9"}}},
			state: "REFUNDED, without a place.",
			want:  []string{"A person: evt_9 is a dead letter. `guichet dead show evt_9`, and redrive it once its cause is mended."},
		},
		"nothing": {
			story: store.Story{Registration: status(registration.Canceled, "", noSeat, func(r *store.Registered) { r.Blanked = true })},
			state: "CANCELED, without a place; its personal fields were blanked.", want: []string{nothing},
		},
		"a registration": {
			story: store.Story{Events: []store.Entry{waits(entry("evt_1", 0, paid), "reg-9"), waits(entry("evt_2", 0, paid), "reg-9")}},
			state: "There is no registration reg-9: what names it waits.",
			want:  []string{"Registration reg-9: once the platform inserts it, it is settled within seconds. Is it the id that the session's metadata should carry?"},
		},
		"a word of whose it is": {
			story: store.Story{Events: []store.Entry{func() store.Entry {
				e := waits(entry("evt_1", 0, registration.Fact{Kind: registration.Disputed, Dispute: "dp_1", Charge: "ch_1"}), "")
				e.AskedAt = after(time.Minute)
				return e
			}()}},
			state: "Nothing tells yet whose this is: it waits.",
			want:  []string{"What tells whose it is: another event, or Stripe's answer, which a worker with STRIPE_API_KEY asks for. It asked last at 2026-03-10 12:01:00."},
		},
		"a word of whose a session is": {
			story: store.Story{Events: []store.Entry{waits(entry("evt_1", 0, paid), "")}},
			state: "Nothing tells yet whose this is: it waits.",
			want: []string{"What tells whose it is: another event, or Stripe's answer, which a worker with STRIPE_API_KEY asks for. " +
				"Setting checkout_session_id to cs_1 on the registration's row ties it."},
		},
		"nothing, of what is ignored": {
			story: store.Story{Events: []store.Entry{ignored("evt_1", "type not handled")}}, state: "Ignored: type not handled.", want: []string{nothing},
		},
		"nothing, of what is another's": {
			beyond: timeline.Beyond{Found: []store.Entry{entry("evt_1", 0, paid)}}, state: "What names it belongs to registration reg-1.", want: []string{nothing},
		},
		"a worker, of what is not known yet": {
			beyond: timeline.Beyond{Behind: 1, Unprocessed: []timeline.Stored{{ID: "evt_1"}}}, state: "Not processed yet.",
			want: []string{"A worker: 1 event about it is stored and not processed yet. The workers are 1 event behind (guichet status)."},
		},
		"a person, of what could not be settled": {
			beyond: timeline.Beyond{Dead: []timeline.Stored{{ID: "evt_1"}}}, state: "It could not be settled.",
			want: []string{"A person: evt_1 is a dead letter. `guichet dead show evt_1`, and redrive it once its cause is mended."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := tell(t, c.story, c.beyond, noon.Add(time.Hour))
			if a.State != c.state {
				t.Errorf("state %q, want %q", a.State, c.state)
			}
			if !slices.Equal(a.Waiting, c.want) {
				t.Errorf("waiting for\n%s\nwant\n%s", strings.Join(a.Waiting, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestEveryFactIsASentence(t *testing.T) {
	t.Parallel()
	lookup, clock := registration.FromLookup, registration.FromClock
	due := noon.Add(time.Hour)
	for want, f := range map[string]registration.Fact{
		"event x: €45.00 paid with pi_1":                                                             {Kind: registration.Paid, Intent: "pi_1", Amount: 4500, Currency: "eur"},
		"event x: complete, and nothing was to be paid (cs_1)":                                       {Kind: registration.Paid, Session: "cs_1"},
		"answer Stripe, when it was asked, said: 45 of an unknown currency paid with pi":             {Kind: registration.Paid, Source: lookup, Intent: "pi", Amount: 45},
		"event x: checkout is complete, and the money of pi_1 is on its way":                         {Kind: registration.PaymentProcessing, Intent: "pi_1"},
		"event x: pi_1 failed: Declined. (card_declined, generic)":                                   {Kind: registration.PaymentFailed, Intent: "pi_1", Message: "Declined.", Code: "card_declined", DeclineCode: "generic"},
		"event x: cs_1 failed: Stripe does not say why":                                              {Kind: registration.PaymentFailed, Session: "cs_1"},
		"event x: pi_1 failed: expired_card":                                                         {Kind: registration.PaymentFailed, Intent: "pi_1", Code: "expired_card"},
		"event x: pi_1 failed: No.":                                                                  {Kind: registration.PaymentFailed, Intent: "pi_1", Message: "No."},
		"event x: pi_1 wants the buyer to act (3-D Secure)":                                          {Kind: registration.ActionRequired, Intent: "pi_1"},
		"event x: pi_1 was canceled (abandoned)":                                                     {Kind: registration.IntentCanceled, Intent: "pi_1", Reason: "abandoned"},
		"event x: session cs_1 expired":                                                              {Kind: registration.SessionExpired, Session: "cs_1"},
		"answer Stripe, when it was asked, said: session cs_1 expired":                               {Kind: registration.SessionExpired, Source: lookup, Session: "cs_1"},
		"clock the deadline of 2026-03-10 12:00:00 passed without a payment":                         {Kind: registration.SessionExpired, Source: clock, Session: "cs_1"},
		"clock the place of the failed payment was held until 2026-03-10 12:00:00":                   {Kind: registration.HoldExpired, Source: clock},
		"event x: pi_1 succeeded, which alone confirms nothing":                                      {Kind: registration.IntentSucceeded, Intent: "pi_1"},
		"clock pi_1 succeeded, and no event of its session has confirmed it for 15 minutes":          {Kind: registration.Unconfirmed, Source: clock, Intent: "pi_1"},
		"answer Stripe, when it was asked, said: session cs_1 can be paid until 2026-03-10 13:00:00": {Kind: registration.SessionOpen, Source: lookup, Session: "cs_1", DueBy: due},
		"answer Stripe, when it was asked, said: these belong together: ch_1, pi_1, cs_1":            {Kind: registration.Located, Source: lookup, Charge: "ch_1", Intent: "pi_1", Session: "cs_1"},
		"event x: €10.00 refunded, a part of pi_1":                                                   {Kind: registration.ChargeRefunded, Intent: "pi_1", Amount: 1000, Currency: "eur"},
		"event x: €45.00 refunded, all of ch_1":                                                      {Kind: registration.ChargeRefunded, Charge: "ch_1", Amount: 4500, Currency: "eur", FullyRefunded: true},
		"event x: refund re_1 of €45.00 came back (lost_card)":                                       {Kind: registration.RefundFailed, Refund: "re_1", Amount: 4500, Currency: "eur", Reason: "lost_card"},
		"event x: dispute dp_1 over €45.00 of ch_1 opened (fraudulent), evidence due by 2026-03-10 13:00:00": {
			Kind: registration.Disputed, Dispute: "dp_1", Charge: "ch_1", Amount: 4500, Currency: "eur", Reason: "fraudulent", DueBy: due,
		},
		"event x: dispute dp_1 closed: won":                                 {Kind: registration.DisputeClosed, Dispute: "dp_1", Outcome: "won"},
		"event x: dispute dp_1 is under_review, which changes nothing here": {Kind: registration.DisputeUpdated, Dispute: "dp_1", Outcome: "under_review"},
		"event x: session cs_test_a1bbbbbbbbbb… expired":                    {Kind: registration.SessionExpired, Session: "cs_test_a1" + strings.Repeat("b", 56)},
	} {
		lines := tell(t, store.Story{Registration: row(func(*store.Registered) {}), Events: []store.Entry{entry("evt_1", 0, f)}}, timeline.Beyond{}, noon).Lines
		if got := fmt.Sprintf("%s %s", lines[1].Kind, lines[1].Text); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
