package timeline_test

import (
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/timeline"
)

func TestAChangeOfStatusIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	paid := entry("evt_paid", 0, registration.Fact{Kind: registration.Paid, Intent: "pi_1", Amount: 4500, Currency: "eur"})
	asked := entry("lookup_paid", 0, registration.Fact{Kind: registration.Paid, Source: registration.FromLookup, Intent: "pi_1", Amount: 4500, Currency: "eur"})
	failed := entry("evt_failed", 0, registration.Fact{Kind: registration.PaymentFailed, Intent: "pi_1", Message: "Declined."})
	held := entry("hold_expired", 24*time.Hour, registration.Fact{Kind: registration.HoldExpired, Source: registration.FromClock})
	won := entry("evt_won", time.Hour, registration.Fact{Kind: registration.DisputeClosed, Dispute: "dp_1", Intent: "pi_1", Outcome: "won"})
	lost := entry("evt_lost", time.Hour, registration.Fact{Kind: registration.DisputeClosed, Dispute: "dp_1", Intent: "pi_1", Outcome: "lost"})
	opened := entry("evt_open", time.Minute, registration.Fact{Kind: registration.Disputed, Dispute: "dp_1", Intent: "pi_1", Amount: 4500, Currency: "eur"})
	expired := entry("evt_expired", time.Minute, registration.Fact{Kind: registration.SessionExpired, Session: "cs_1"})
	refunded := entry("evt_refund", time.Hour, registration.Fact{Kind: registration.ChargeRefunded, Intent: "pi_1", Amount: 4500, Currency: "eur", FullyRefunded: true})
	type moves []store.Moved
	for want, c := range map[string]struct {
		events []store.Entry
		moves  moves
	}{
		"PENDING → PAID, because the payment of €45.00 with pi_1 stands": {
			[]store.Entry{paid}, moves{{At: paid.StoredAt, From: registration.Pending, To: registration.PaidStatus, SeatHeld: true, FactID: "evt_paid"}},
		},
		"PENDING → PAID, because Stripe, when it was asked, said: €45.00 paid with pi_1": {
			[]store.Entry{asked}, moves{{At: asked.StoredAt, From: registration.Pending, To: registration.PaidStatus, SeatHeld: true, FactID: "lookup_paid"}},
		},
		"EXPIRED → PAID, it is given a place, because the payment of €45.00 with pi_1 stands, and restores it": {
			[]store.Entry{paid, expired}, moves{
				{At: expired.StoredAt, From: registration.Pending, To: registration.Expired, FactID: "evt_expired"},
				{At: noon.Add(time.Hour), From: registration.Expired, To: registration.PaidStatus, SeatHeld: true, FactID: "evt_paid"},
			},
		},
		"EXPIRED → PAID, without a place: none is left, because the payment of €45.00 with pi_1 stands, and restores it": {
			[]store.Entry{paid, expired}, moves{
				{At: expired.StoredAt, From: registration.Pending, To: registration.Expired, FactID: "evt_expired"},
				{At: noon.Add(time.Hour), From: registration.Expired, To: registration.PaidStatus, FactID: "evt_paid"},
			},
		},
		"stays PAID, it is given a place, because one came free": {
			[]store.Entry{paid}, moves{
				{At: paid.StoredAt, From: registration.Expired, To: registration.PaidStatus, FactID: "evt_paid"},
				{At: noon.Add(time.Hour), From: registration.PaidStatus, To: registration.PaidStatus, SeatHeld: true},
			},
		},
		"stays FAILED by payment, its place is released, because the place of the failed payment was held until 2026-03-11 12:00:00": {
			[]store.Entry{failed, held}, moves{
				{At: failed.StoredAt, From: registration.Pending, To: registration.Failed, Cause: registration.CausePayment, SeatHeld: true, FactID: "evt_failed"},
				{At: held.StoredAt, From: registration.Failed, To: registration.Failed, Cause: registration.CausePayment, FactID: "evt_failed"},
			},
		},
		"FAILED by payment → FAILED by dispute, its place stays held, because dispute dp_1 over €45.00 of pi_1 opened": {
			[]store.Entry{failed, opened}, moves{
				{At: failed.StoredAt, From: registration.Pending, To: registration.Failed, Cause: registration.CausePayment, SeatHeld: true, FactID: "evt_failed"},
				{At: opened.StoredAt, From: registration.Failed, To: registration.Failed, Cause: registration.CauseDispute, SeatHeld: true, FactID: "evt_open"},
			},
		},
		"FAILED by dispute → PAID, because the payment of €45.00 with pi_1 stands (what came: dispute dp_1 closed: won)": {
			[]store.Entry{paid, opened, won}, moves{
				{At: opened.StoredAt, From: registration.Pending, To: registration.Failed, Cause: registration.CauseDispute, SeatHeld: true, FactID: "evt_open"},
				{At: won.StoredAt, From: registration.Failed, To: registration.PaidStatus, SeatHeld: true, FactID: "evt_paid"},
			},
		},
		"stays FAILED by dispute, its place is released, because dispute dp_1 closed: lost": {
			[]store.Entry{paid, opened, lost}, moves{
				{At: opened.StoredAt, From: registration.PaidStatus, To: registration.Failed, Cause: registration.CauseDispute, SeatHeld: true, FactID: "evt_open"},
				{At: lost.StoredAt, From: registration.Failed, To: registration.Failed, Cause: registration.CauseDispute, FactID: "evt_lost"},
			},
		},
		"PAID → REFUNDED, its place is released, because €45.00 refunded, all of pi_1": {
			[]store.Entry{paid, refunded}, moves{
				{At: refunded.StoredAt, From: registration.PaidStatus, To: registration.RefundedStatus, FactID: "evt_refund"},
			},
		},
		"EXPIRED → PENDING, it is given a place, because nothing is known yet of its present session": {
			nil, moves{{At: noon, From: registration.Pending, To: registration.Expired}, {At: noon, From: registration.Expired, To: registration.Pending, SeatHeld: true}},
		},
		"PAID → EXPIRED, its place is released, because the row changed": {
			nil, moves{{At: noon, From: registration.PaidStatus, To: registration.Expired}},
		},
	} {
		var told []string
		for _, l := range tell(t, store.Story{Registration: row(func(*store.Registered) {}), Events: c.events, History: c.moves}, timeline.Beyond{}, noon).Lines {
			if l.Kind == timeline.Status {
				told = append(told, l.Text)
			}
		}
		if got := told[len(told)-1]; got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestWhatHappensAtOneTimeIsToldInItsOrder(t *testing.T) {
	t.Parallel()
	paid := entry("evt_paid", 0, registration.Fact{Kind: registration.Paid, Intent: "pi_1", Amount: 4500, Currency: "eur"})
	early := entry("evt_early", -time.Hour, registration.Fact{Kind: registration.ActionRequired, Intent: "pi_1"})
	at := paid.StoredAt
	other := ignored("evt_7", "account not in STRIPE_ACCOUNTS")
	other.Ref = "reg-7"
	a := tell(t, store.Story{
		Registration: row(func(r *store.Registered) { r.CreatedAt = at; r.Session = "cs_1"; r.SessionExpiresAt = after(time.Hour) }),
		Events:       []store.Entry{paid, early},
		History:      []store.Moved{{At: at, From: registration.Pending, To: registration.PaidStatus, SeatHeld: true, FactID: "evt_paid"}},
		Attention:    []store.Occurrence{{Flag: "double_payment", Object: "pi_1", RaisedAt: at, ClearedAt: &at, AcknowledgedAt: &at, AcknowledgedBy: "ops", Note: "done"}},
		Mails: []store.Mail{
			{CreatedAt: at, Kind: registration.MailPaymentConfirmed, Slot: "paid:pi_1", Status: store.MailDropped},
			{CreatedAt: at, Kind: registration.MailAttention, Slot: "attention:double_payment:pi_1", Status: store.MailSuppressed},
			{CreatedAt: at, Kind: registration.MailDisputeClosed, Slot: "dispute:dp_1:won", Status: store.MailFailed, Attempts: 2, LastError: "550 no"},
		},
		Operations: []store.Operation{
			{ID: 3, Command: "replay", By: "ops@desk", StartedAt: at, FinishedAt: &at}, {ID: 4, Command: "verify", By: "ops@desk", StartedAt: at, FinishedAt: &at, Error: "NATS went away"},
		},
	}, timeline.Beyond{
		Unprocessed: []timeline.Stored{{ID: "evt_9", Type: "x", Sequence: 9, StoredAt: at, Created: at.Add(-time.Minute), ReceivedAt: at}},
		Dead:        []timeline.Stored{{ID: "evt_8", Type: "x", Sequence: 2, StoredAt: at, Reason: "no id"}},
		Found:       []store.Entry{other, {ID: "evt_6", Type: "x", Kind: "paid", Source: "stripe", StoredAt: at, Outcome: store.EventSettled, RegistrationID: "reg-2", Created: &at}},
	}, noon)
	want := []string{
		"event x: pi_1 wants the buyer to act (3-D Secure)", "  evt_early, made at Stripe 2026-03-10 11:00:00, received at once, processed at once",
		"  it waited for the registration, which was made 1h later",
		"event x: ignored, account not in STRIPE_ACCOUNTS", "  evt_7, processed 2026-03-10 12:00:00", "  it names registration reg-7",
		"row registered for \"Gala\" (gala), with session cs_1", "  can be paid until 2026-03-10 13:00:00",
		"event x: €45.00 paid with pi_1", "  evt_paid, made at Stripe 2026-03-10 12:00:00, received at once, processed at once",
		"event x: complete, and nothing was to be paid (an unknown payment)", "  evt_6, made at Stripe 2026-03-10 12:00:00, processed at once", "  it belongs to registration reg-2",
		"status PENDING → PAID, because the payment of €45.00 with pi_1 stands",
		"attention double_payment of pi_1 raised: another payment stands beside the first", "attention double_payment of pi_1 seen to by ops: done",
		"attention double_payment of pi_1 cleared: its cause is gone",
		"mail payment_confirmed (pi_1) to the participant: not sent, since it was no longer wanted when its turn came",
		"mail attention (double_payment of pi_1) to the admin: not sent, since mails were off",
		"mail dispute_closed (dp_1) to the admin: given up after 2 tries: 550 no",
		"person ops@desk ran guichet replay (operation 3): done", "person ops@desk ran guichet verify (operation 4): failed: NATS went away",
		"stream x: in the stream, not processed yet", "  evt_9, sequence 9, made at Stripe 2026-03-10 11:59:00, received 1m later",
		"dead x: could not be settled: no id", "  evt_8, sequence 2",
	}
	var got []string
	for _, l := range a.Lines {
		got = append(got, string(l.Kind)+" "+l.Text)
		for _, note := range l.Notes {
			got = append(got, "  "+note)
		}
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("missing %q", want[i])
		case i >= len(want):
			t.Errorf("beside that %q", got[i])
		case got[i] != want[i]:
			t.Errorf("line %d is %q\nwant %q", i, got[i], want[i])
		}
	}
}

func TestPaymentsAreATable(t *testing.T) {
	t.Parallel()
	r := row(func(r *store.Registered) { r.Session = "cs_2" })
	a := tell(t, store.Story{Registration: r, Events: []store.Entry{
		entry("evt_1", 0, registration.Fact{Kind: registration.Paid, Session: "cs_1", Intent: "pi_1", Amount: 4500, Currency: "eur"}),
		entry("evt_2", 0, registration.Fact{Kind: registration.SessionExpired, Session: "cs_2"}),
		entry("evt_3", 0, registration.Fact{Kind: registration.SessionExpired, Source: registration.FromClock}),
	}}, timeline.Beyond{}, noon)
	want := [][]string{{"pi_1", "paid, of an earlier session", "€45.00", "cs_1", "-"}, {"-", "expired", "-", "cs_2", "-"}}
	if len(a.Payments) != len(want) {
		t.Fatalf("%+v", a.Payments)
	}
	for i, p := range a.Payments {
		for j, cell := range p.Row() {
			if cell != want[i][j] {
				t.Errorf("payment %d: %q, want %q", i, p.Row(), want[i])
			}
		}
	}
	for want, got := range map[string]string{
		`Registration reg-1 for "Gala" (gala), €45.00 due`:          a.Heading("reg-1", r),
		`Registration reg-1 for "Gala" (gala), €45.00 due, of pi_1`: a.Heading("pi_1", r),
		"dp_1: no registration":                                     a.Heading("dp_1", nil),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
