package lookup_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/simulate"
)

func TestASessionsOutcomeAndFact(t *testing.T) {
	t.Parallel()
	fact := func(name string, kind registration.FactKind, created int64) registration.Fact {
		return registration.Fact{
			ID: "lookup:" + name + ":cs_test_1", Kind: kind, Source: registration.FromLookup, Created: unix(created),
			Session: "cs_test_1", Intent: "pi_1", IntentCreated: unix(fakestripe.IntentMade),
		}
	}
	paid := fact("paid", registration.Paid, fakestripe.ChargeMade)
	paid.Charge, paid.Amount, paid.Currency = "ch_1", 4500, "eur"
	free := registration.Fact{
		ID: paid.ID, Kind: registration.Paid, Source: registration.FromLookup, Created: unix(fakestripe.SessionMade),
		Session: "cs_test_1", Currency: "eur",
	}
	failed := fact("failed", registration.PaymentFailed, fakestripe.SessionExpiry)
	failed.SessionAsync, failed.Message, failed.Code, failed.DeclineCode = true, "Refused by the bank.", "payment_method_provider_decline", "debit_not_authorized"
	failed.Amount, failed.Currency = 4500, "eur"
	canceled := fact("canceled", registration.IntentCanceled, fakestripe.ChargeMade+500)
	canceled.Reason, canceled.Amount, canceled.Currency = "requested_by_customer", 4500, "eur"
	abandoned := fact("expired", registration.SessionExpired, fakestripe.SessionExpiry)
	abandoned.Intent, abandoned.IntentCreated = "", time.Time{}

	for name, c := range map[string]struct {
		session, intent Object
		outcome         lookup.Outcome
		fact            *registration.Fact
	}{
		"paid":           {session("cs_test_1", "complete", "paid", "pi_1"), intent("pi_1", "succeeded", "ch_1"), lookup.Paid, &paid},
		"nothing to pay": {with(session("cs_test_1", "complete", "no_payment_required", ""), "amount_total", 0), nil, lookup.Paid, &free},
		"on its way": {session("cs_test_1", "complete", "unpaid", "pi_1"), intent("pi_1", "processing", "ch_1"), lookup.Processing,
			new(fact("processing", registration.PaymentProcessing, fakestripe.SessionExpiry))},
		"a voucher is out": {session("cs_test_1", "complete", "unpaid", "pi_1"), intent("pi_1", "requires_action", ""), lookup.Processing,
			new(fact("processing", registration.PaymentProcessing, fakestripe.SessionExpiry))},
		"the delayed payment failed": {session("cs_test_1", "complete", "unpaid", "pi_1"),
			with(intent("pi_1", "requires_payment_method", "ch_1"), "last_payment_error", Object{
				"message": "Refused by\nthe bank.", "code": "payment_method_provider_decline", "decline_code": "debit_not_authorized", "charge": "ch_1",
			}), lookup.Failed, &failed},
		"the delayed payment was canceled": {session("cs_test_1", "complete", "unpaid", "pi_1"),
			with(intent("pi_1", "canceled", "ch_1"), "canceled_at", fakestripe.ChargeMade+500, "cancellation_reason", "requested_by_customer"),
			lookup.Failed, &canceled},
		"expired after a try": {session("cs_test_1", "expired", "unpaid", "pi_1"), intent("pi_1", "canceled", "ch_1"), lookup.Expired,
			new(fact("expired", registration.SessionExpired, fakestripe.SessionExpiry))},
		"abandoned":        {session("cs_test_1", "expired", "unpaid", ""), nil, lookup.Expired, &abandoned},
		"abandoned free":   {session("cs_test_1", "expired", "no_payment_required", ""), nil, lookup.Expired, &abandoned},
		"open":             {session("cs_test_1", "open", "unpaid", ""), nil, lookup.Open, nil},
		"open after a try": {session("cs_test_1", "open", "unpaid", "pi_1"), intent("pi_1", "requires_payment_method", "ch_1"), lookup.Open, nil},
		"open and free":    {session("cs_test_1", "open", "no_payment_required", ""), nil, lookup.Open, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fakestripe.New(t)
			s.Add("", with(c.session, "metadata", names("reg-1")), charge("ch_1", "pi_1"))
			if c.intent != nil {
				s.Add("", c.intent)
			}
			ask := client(t, s)
			a, err := ask.Session(t.Context(), "", "cs_test_1")
			if err != nil {
				t.Fatal(err)
			}
			if a.Outcome != c.outcome || a.Registration != "reg-1" || a.Live || a.Why != "" {
				t.Errorf("answered %+v, want outcome %s for reg-1", a, c.outcome)
			}
			if !a.Created.Equal(unix(fakestripe.SessionMade)) || !a.Expires.Equal(unix(fakestripe.SessionExpiry)) {
				t.Errorf("created %s, expires %s", a.Created, a.Expires)
			}
			switch {
			case c.fact == nil && len(a.Facts) != 0:
				t.Errorf("tells %+v, want nothing", a.Facts)
			case c.fact != nil && (len(a.Facts) != 1 || a.Facts[0] != *c.fact):
				t.Errorf("tells\n%+v, want\n%+v", a.Facts, *c.fact)
			}
			if got := len(s.Requests("/")); got != 1 {
				t.Errorf("took %d requests, want 1", got)
			}
		})
	}
}

func TestASessionOfAnotherModeTellsNothing(t *testing.T) {
	t.Parallel()
	live := func(s *lookup.Settings, _ *lookup.Options) { s.Key = "sk_test_fake" }
	liveOnly := func(_ *lookup.Settings, o *lookup.Options) { o.LiveOnly = true }
	setup := with(session("cs_test_1", "complete", "no_payment_required", ""), "mode", "setup", "amount_total", nil, "currency", nil, "setup_intent", "seti_1")
	for name, c := range map[string]struct {
		session Object
		ask     string
		change  func(*lookup.Settings, *lookup.Options)
		outcome lookup.Outcome
		why     string
	}{
		"set-up":                         {setup, "cs_test_1", live, lookup.OtherMode, "its mode is setup"},
		"subscription":                   {with(setup, "mode", "subscription"), "cs_test_1", live, lookup.OtherMode, "its mode is subscription"},
		"test where only live counts":    {session("cs_test_1", "complete", "paid", ""), "cs_test_1", liveOnly, lookup.OtherMode, "it is of test mode, which does not count here"},
		"live session, key of test mode": {setup, "cs_live_1", live, lookup.OtherMode, "it is of live mode, and STRIPE_API_KEY of test mode"},
		"not there":                      {setup, "cs_test_2", live, lookup.NotFound, "Stripe knows no such session"},
		"no mode in its id":              {setup, "cs_2", live, lookup.NotFound, "Stripe knows no such session"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fakestripe.New(t)
			s.Add("", c.session)
			a, err := client(t, s, c.change).Session(t.Context(), "", c.ask)
			if err != nil || a.Outcome != c.outcome || a.Why != c.why || len(a.Facts) != 0 {
				t.Errorf("answered %+v, %v; want %s: %s", a, err, c.outcome, c.why)
			}
		})
	}
}

func TestLiveSessionsCountWhereOnlyLiveCounts(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Add("", with(session("cs_live_1", "complete", "paid", ""), "livemode", true))
	a, err := client(t, s, func(_ *lookup.Settings, o *lookup.Options) { o.LiveOnly = true }).Session(t.Context(), "", "cs_live_1")
	if err != nil || a.Outcome != lookup.Paid || !a.Live {
		t.Errorf("answered %+v, %v", a, err)
	}
}

func TestDetailsThatNobodyNeedsAreNoObstacle(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	odd := with(session("cs_test_1", "complete", "paid", "pi_1"),
		"metadata", Object{"registrationId": "reg-1", "seats": 2, "vip": true, "more": Object{"a": nil}},
		"customer_details", []string{"none"}, "line_items", "?", "amount_subtotal", "a lot", "mode", nil, "total_details", 7)
	s.Add("", odd, with(intent("pi_1", "succeeded", ""), "latest_charge", nil, "next_action", 5, "payment_method_types", Object{}))
	a, err := client(t, s).Session(t.Context(), "", "cs_test_1")
	if err != nil || a.Outcome != lookup.Paid || a.Registration != "reg-1" || a.Facts[0].Amount != 4500 || a.Facts[0].Charge != "" {
		t.Errorf("answered %+v, %v", a, err)
	}
	if !a.Facts[0].Created.Equal(unix(fakestripe.IntentMade)) {
		t.Errorf("without a charge it was paid at %s, want when the intent was made", a.Facts[0].Created)
	}
}

func TestARegistrationIsAString(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]any{
		"number": Object{"registrationId": 7}, "object": Object{"registrationId": Object{"id": "reg-1"}}, "null": Object{"registrationId": nil},
		"none": nil, "list": []string{"registrationId"}, "no id": Object{"registrationId": "reg\n1"}, "endless": Object{"registrationId": strings.Repeat("r", 256)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fakestripe.New(t)
			s.Add("", with(session("cs_test_1", "open", "unpaid", ""), "metadata", metadata))
			a, err := client(t, s).Session(t.Context(), "", "cs_test_1")
			if err != nil || a.Outcome != lookup.Open || a.Registration != "" {
				t.Errorf("answered %+v, %v; want no registration", a, err)
			}
		})
	}
}

func TestAContradictorySessionIsUnexpectedAndTellsNothing(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Object{
		"expired and paid":      session("cs_test_1", "expired", "paid", ""),
		"open and paid":         session("cs_test_1", "open", "paid", ""),
		"a status of tomorrow":  session("cs_test_1", "suspended", "unpaid", ""),
		"no status":             with(session("cs_test_1", "", "paid", ""), "status", nil),
		"no payment status":     with(session("cs_test_1", "complete", "", ""), "payment_status", nil),
		"payment of tomorrow":   session("cs_test_1", "complete", "promised", ""),
		"never made":            with(session("cs_test_1", "complete", "paid", ""), "created", "yesterday"),
		"never expiring":        with(session("cs_test_1", "expired", "unpaid", ""), "expires_at", nil),
		"made before all times": with(session("cs_test_1", "complete", "paid", ""), "created", -1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fakestripe.New(t)
			s.Add("", o)
			a, err := client(t, s).Session(t.Context(), "", "cs_test_1")
			if !errors.Is(err, lookup.ErrUnexpected) || len(a.Facts) != 0 {
				t.Errorf("answered %+v, %v; want ErrUnexpected", a, err)
			}
		})
	}
}

func TestAnotherObjectThanAskedForIsUnexpected(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"another session": `{"id":"cs_test_2","object":"checkout.session","mode":"payment","status":"complete","payment_status":"paid","created":1,"expires_at":2}`,
		"another kind":    `{"id":"cs_test_1","object":"charge"}`,
		"empty":           `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fakestripe.New(t)
			s.FailWith(1, fakestripe.Failure{Status: 200, Body: body})
			if a, err := client(t, s).Session(t.Context(), "", "cs_test_1"); !errors.Is(err, lookup.ErrUnexpected) {
				t.Errorf("answered %+v, %v; want ErrUnexpected", a, err)
			}
		})
	}
}

func TestWhatIsNoIDIsNotAskedFor(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	ask := client(t, s)
	for _, id := range []string{"", "..", "cs_1/../../v1/charges", "cs_1?expand[]=x", "cs 1", "cs_é", "cs_1\n", strings.Repeat("c", 300)} {
		a, err := ask.Session(t.Context(), "", id)
		if err != nil || a.Outcome != lookup.NotFound || a.Why == "" {
			t.Errorf("%q: answered %+v, %v; want NotFound", id, a, err)
		}
		if p, err := ask.Locate(t.Context(), "", id, id); err != nil || p != (lookup.Place{}) {
			t.Errorf("%q: located at %+v, %v; want nowhere", id, p, err)
		}
	}
	if sent := s.Requests("/"); len(sent) != 0 {
		t.Errorf("asked %v", sent)
	}
}

func TestASessionIsAskedForEachTime(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Add("", session("cs_test_1", "open", "unpaid", ""))
	ask := client(t, s)
	if a, err := ask.Session(t.Context(), "", "cs_test_1"); err != nil || a.Outcome != lookup.Open {
		t.Fatalf("answered %+v, %v", a, err)
	}
	s.Add("", session("cs_test_1", "complete", "paid", ""))
	if a, err := ask.Session(t.Context(), "", "cs_test_1"); err != nil || a.Outcome != lookup.Paid {
		t.Errorf("answered %+v, %v; want what Stripe says now", a, err)
	}
}

func TestAConnectedAccountsSessionIsAskedOfIt(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Add("acct_1", session("cs_test_1", "complete", "paid", ""))
	ask := client(t, s)
	if a, err := ask.Session(t.Context(), "acct_1", "cs_test_1"); err != nil || a.Outcome != lookup.Paid {
		t.Errorf("asked of its account: %+v, %v", a, err)
	}
	if a, err := ask.Session(t.Context(), "", "cs_test_1"); err != nil || a.Outcome != lookup.NotFound {
		t.Errorf("asked of the platform: %+v, %v", a, err)
	}
	sent := s.Requests("/")
	if sent[0].Account != "acct_1" || sent[1].Account != "" {
		t.Errorf("asked of %q and %q", sent[0].Account, sent[1].Account)
	}
	if sent[0].Version != stripe.APIVersion {
		t.Errorf("asked in version %s, want the SDK's", sent[0].Version)
	}
	if strings.Contains(sent[0].Client, "uname") {
		t.Errorf("told of the machine: %s", sent[0].Client)
	}
}

func TestASimulatedPurchaseIsAnsweredAsItsEventsTold(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	p := purchase("reg-1")
	s.Happened("", p.Succeeded(), p.Charged(), p.Completed())
	a, err := client(t, s).Session(t.Context(), "", p.Session)
	if err != nil || a.Outcome != lookup.Paid || a.Registration != "reg-1" {
		t.Fatalf("answered %+v, %v", a, err)
	}
	if f := a.Facts[0]; f.Session != p.Session || f.Intent != p.Intent || f.Charge != p.Charge || f.Amount != p.Amount {
		t.Errorf("tells %+v of %+v", f, p.IDs)
	}
	expired := purchase("reg-2")
	s.Happened("", expired.SessionAbandoned())
	if a, err := client(t, s).Session(t.Context(), "", expired.Session); err != nil || a.Outcome != lookup.Expired {
		t.Errorf("answered %+v, %v", a, err)
	}
}

// A card is declined, then the buyer takes a direct debit in the same session: its completion is not heard of.
func TestADeclineBeforeADelayedPaymentDoesNotEndIt(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Add("", session("cs_test_1", "complete", "unpaid", "pi_1"), intent("pi_1", "requires_action", ""))
	a, err := client(t, s).Session(t.Context(), "", "cs_test_1")
	if err != nil {
		t.Fatal(err)
	}
	declined := registration.Fact{
		ID: "evt_1", Kind: registration.PaymentFailed, Source: registration.FromStripe, Created: unix(fakestripe.IntentMade + 5),
		Intent: "pi_1", IntentCreated: unix(fakestripe.IntentMade), Charge: "ch_0",
	}
	r := registration.Registration{ID: "reg-1", Session: "cs_test_1", CreatedAt: unix(fakestripe.SessionMade)}
	state := registration.Settle(r, append(a.Facts, declined), registration.Policy{FailedHold: time.Hour, PendingHold: time.Hour})
	if state.Status != registration.Pending || !state.SeatWish || !state.Deadline.IsZero() {
		t.Errorf("settled as %+v, want pending for as long as it takes", state)
	}
	// What ends it is the answer that it failed.
	s.Add("", intent("pi_1", "requires_payment_method", ""))
	again, err := client(t, s).Session(t.Context(), "", "cs_test_1")
	if err != nil {
		t.Fatal(err)
	}
	facts := append(append(a.Facts, declined), again.Facts...)
	if state := registration.Settle(r, facts, registration.Policy{FailedHold: time.Hour}); state.Status != registration.Failed {
		t.Errorf("settled as %+v, want failed", state)
	}
}

func purchase(registration string) *simulate.Payment {
	return simulate.New(seeded(registration), func() time.Time { return unix(fakestripe.SessionMade) }).Payment(registration)
}
