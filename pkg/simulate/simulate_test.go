package simulate_test

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/educareschool/guichet/pkg/simulate"
)

// at returns a Stripe of a seed whose clock stands at a time.
func at(seed uint64, now time.Time) *simulate.Stripe {
	return simulate.New(source(seed), func() time.Time { return now })
}

func source(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0)) // #nosec G404 -- repeatable
}

func noon() time.Time { return time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC) }

func build(t *testing.T, p *simulate.Payment, eventType string, c simulate.Choices) simulate.Event {
	t.Helper()
	e, err := p.Build(eventType, c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// object decodes an event's data.object into one of the SDK's types.
func object[T any](t *testing.T, e simulate.Event) T {
	t.Helper()
	var event stripe.Event
	if err := json.Unmarshal(e.Body, &event); err != nil {
		t.Fatal(err)
	}
	var o T
	if err := json.Unmarshal(event.Data.Raw, &o); err != nil {
		t.Fatalf("%s: the SDK cannot read its object: %v", e.Type, err)
	}
	return o
}

func TestCatalog_MakesEventsThatTheSDKVerifies(t *testing.T) {
	t.Parallel()
	p := at(1, time.Now()).Payment("reg-1")
	for _, k := range simulate.Catalog() {
		e := build(t, p, k.Type, simulate.Choices{})
		t.Run(k.Type, func(t *testing.T) {
			t.Parallel()
			header := simulate.Sign(e.Body, time.Now(), "whsec_old", "whsec_new")
			for _, secret := range []string{"whsec_old", "whsec_new"} {
				if err := webhook.ValidatePayload(e.Body, header, secret); err != nil {
					t.Errorf("with %s: %v", secret, err)
				}
			}
			if err := webhook.ValidatePayload(e.Body, header, "whsec_other"); err == nil {
				t.Error("another secret verifies it too")
			}
			if k.Type == simulate.ThinType {
				return
			}
			event, err := webhook.ConstructEvent(e.Body, header, "whsec_new")
			if err != nil {
				t.Fatal(err)
			}
			if event.ID != e.ID || string(event.Type) != k.Type || e.Type != k.Type || event.Created != e.Created.Unix() || event.Livemode {
				t.Errorf("the body says %s, %s, %d; the event %s, %s, %s", event.ID, event.Type, event.Created, e.ID, e.Type, e.Created)
			}
		})
	}
}

func TestIDs_HaveStripesShapeAndSortByTime(t *testing.T) {
	t.Parallel()
	now := noon()
	s := simulate.New(source(2), func() time.Time { return now })
	shapes := map[string]*regexp.Regexp{}
	for name, shape := range map[string]string{
		"event": `^evt_1[0-9A-Za-z]{23}$`, "session": `^cs_test_a1[0-9A-Za-z]{56}$`, "intent": `^pi_3[0-9A-Za-z]{23}$`,
		"charge": `^ch_3[0-9A-Za-z]{23}$`, "dispute": `^du_1[0-9A-Za-z]{23}$`, "refund": `^re_3[0-9A-Za-z]{23}$`,
	} {
		shapes[name] = regexp.MustCompile(shape)
	}
	seen := map[string]bool{}
	var events, intents []string
	for range 2000 {
		now = now.Add(time.Second)
		p := s.Payment("reg-1")
		e := p.Completed()
		events, intents = append(events, e.ID), append(intents, p.Intent)
		for name, id := range map[string]string{
			"event": e.ID, "session": p.Session, "intent": p.Intent, "charge": p.Charge, "dispute": p.Dispute, "refund": p.Refund,
		} {
			if !shapes[name].MatchString(id) || seen[id] {
				t.Fatalf("%s id %s: misshapen, or not the first of its kind", name, id)
			}
			seen[id] = true
		}
	}
	if !slices.IsSorted(events) || !slices.IsSorted(intents) {
		t.Error("ids made later do not sort later")
	}
}

func TestIDs_OfOneSecondDiffer(t *testing.T) {
	t.Parallel()
	s := at(3, noon())
	seen := map[string]bool{}
	for range 5_000 {
		seen[s.Unrelated("").ID] = true
	}
	if len(seen) != 5_000 {
		t.Errorf("%d of 5000 ids differ", len(seen))
	}
}

func TestStripe_IsAFunctionOfItsSeedAndClock(t *testing.T) {
	t.Parallel()
	play := func(seed uint64) string {
		p := at(seed, noon()).Payment("reg-1")
		var all strings.Builder
		for _, k := range simulate.Catalog() {
			all.Write(build(t, p, k.Type, simulate.Choices{}).Body)
		}
		return all.String()
	}
	first, again := play(4), play(4)
	if first != again {
		t.Error("the same seed gave other events")
	}
	if first == play(5) {
		t.Error("another seed gave the same events")
	}
}

func TestPayment_TiesItsEventsTogether(t *testing.T) {
	t.Parallel()
	p := at(6, noon()).Payment("reg-7")
	p.Amount, p.Currency = 1999, "chf"
	p.IntentCreated = noon().Add(-time.Minute)

	session := object[stripe.CheckoutSession](t, p.Completed())
	if session.ID != p.Session || session.PaymentIntent.ID != p.Intent || session.AmountTotal != 1999 || session.Currency != "chf" ||
		session.PaymentStatus != "paid" || session.Mode != "payment" || session.Metadata["registrationId"] != "reg-7" ||
		session.CustomerDetails.Email != simulate.BuyerEmail {
		t.Errorf("the session is %+v", session)
	}
	intent := object[stripe.PaymentIntent](t, p.Succeeded())
	if intent.ID != p.Intent || intent.LatestCharge.ID != p.Charge || intent.AmountReceived != 1999 ||
		intent.Created != p.IntentCreated.Unix() || intent.Metadata["registrationId"] != "reg-7" {
		t.Errorf("the intent is %+v", intent)
	}
	charge := object[stripe.Charge](t, p.Refunded(500))
	if charge.ID != p.Charge || charge.PaymentIntent.ID != p.Intent || charge.AmountRefunded != 500 || charge.Refunded {
		t.Errorf("the charge is %+v", charge)
	}
	if full := object[stripe.Charge](t, p.Refunded(1999)); !full.Refunded {
		t.Error("a refund of all is no full one")
	}
	contested := object[stripe.Dispute](t, p.Disputed())
	if contested.ID != p.Dispute || contested.Charge.ID != p.Charge || contested.PaymentIntent.ID != p.Intent ||
		contested.Status != "needs_response" || len(contested.Metadata) != 0 || contested.EvidenceDetails.DueBy <= noon().Unix() {
		t.Errorf("the dispute is %+v", contested)
	}
	returned := object[stripe.Refund](t, p.RefundFailed("lost_or_stolen_card"))
	if returned.ID != p.Refund || returned.Charge.ID != p.Charge || returned.Status != "failed" || returned.FailureReason != "lost_or_stolen_card" {
		t.Errorf("the refund is %+v", returned)
	}
}

func TestFailed_IsTheTestCardsDeclineWithAChargeEachTime(t *testing.T) {
	t.Parallel()
	p := at(7, noon()).Payment("reg-1")
	first := object[stripe.PaymentIntent](t, p.Failed(simulate.CardDeclined()))
	second := object[stripe.PaymentIntent](t, p.Failed(simulate.CardDeclined()))
	failure := first.LastPaymentError
	if failure.Code != "card_declined" || failure.DeclineCode != "generic_decline" || failure.Msg != "Your card was declined." ||
		first.Status != "requires_payment_method" {
		t.Errorf("it failed with %+v, status %s", failure, first.Status)
	}
	if first.LatestCharge.ID == second.LatestCharge.ID || first.ID != second.ID {
		t.Error("two tries are not two charges of one intent")
	}
	named := object[stripe.PaymentIntent](t, p.Failed(simulate.CardDeclined(), simulate.WithCharge("ch_named")))
	if named.LatestCharge.ID != "ch_named" {
		t.Errorf("the charge is %s", named.LatestCharge.ID)
	}
}

func TestOptions_ChangeOneEvent(t *testing.T) {
	t.Parallel()
	p := at(8, noon()).Payment("reg-1")
	e := p.Completed(simulate.WithID("evt_given"), simulate.At(noon().Add(1500*time.Millisecond)), simulate.Live(),
		simulate.OnAccount("acct_1"), simulate.WithAPIVersion("2020-08-27"), simulate.WithoutMetadata(), simulate.WithoutIntent())
	var event stripe.Event
	if err := json.Unmarshal(e.Body, &event); err != nil {
		t.Fatal(err)
	}
	if event.ID != "evt_given" || event.Created != noon().Unix()+1 || !event.Livemode || event.Account != "acct_1" || event.APIVersion != "2020-08-27" {
		t.Errorf("the event is %+v", event)
	}
	session := object[stripe.CheckoutSession](t, e)
	if len(session.Metadata) != 0 || session.PaymentIntent != nil || !session.Livemode {
		t.Errorf("the session is %+v", session)
	}
	if again := object[stripe.CheckoutSession](t, p.Completed()); again.Metadata["registrationId"] != "reg-1" || again.Livemode {
		t.Error("the options stuck to the payment")
	}
}

func TestBuild_MakesTheVariantAskedFor(t *testing.T) {
	t.Parallel()
	p := at(9, noon()).Payment("reg-1")
	status := func(c simulate.Choices) string {
		return string(object[stripe.CheckoutSession](t, build(t, p, "checkout.session.completed", c)).PaymentStatus)
	}
	for _, want := range []string{"paid", "unpaid", "no_payment_required"} {
		if got := status(simulate.Choices{PaymentStatus: want}); got != want {
			t.Errorf("payment status %s, want %s", got, want)
		}
	}
	for _, mode := range []string{"setup", "subscription"} {
		if s := object[stripe.CheckoutSession](t, build(t, p, "checkout.session.completed", simulate.Choices{Mode: mode})); string(s.Mode) != mode {
			t.Errorf("mode %s, want %s", s.Mode, mode)
		}
	}
	for _, outcome := range []string{simulate.Won, simulate.Lost, simulate.WarningClosed} {
		d := object[stripe.Dispute](t, build(t, p, "charge.dispute.closed", simulate.Choices{DisputeStatus: outcome}))
		if string(d.Status) != outcome {
			t.Errorf("the dispute is %s, want %s", d.Status, outcome)
		}
	}
	if s := object[stripe.CheckoutSession](t, build(t, p, "checkout.session.expired", simulate.Choices{Abandoned: true})); s.PaymentIntent != nil {
		t.Error("an abandoned session has an intent")
	}
}

func TestBuild_RefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	p := at(10, noon()).Payment("reg-1")
	for eventType, c := range map[string]simulate.Choices{
		"checkout.session.completed":    {PaymentStatus: "won"},
		"payment_intent.payment_failed": {Decline: "bored"},
		"charge.refunded":               {RefundTotal: simulate.DefaultAmount + 1},
		"charge.refund.updated":         {RefundStatus: "lost"},
		"charge.dispute.closed":         {DisputeStatus: simulate.NeedsResponse},
	} {
		if _, err := p.Build(eventType, c); err == nil {
			t.Errorf("%s with %+v was made", eventType, c)
		}
	}
}

func TestClosest_PutsTheLikeliestFirst(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]string{
		"checkout.sesion.completed":     "checkout.session.completed",
		"payment_intent.failed":         "payment_intent.payment_failed",
		"requires_action":               "payment_intent.requires_action",
		"charge.dispute.close":          "charge.dispute.closed",
		"CHECKOUT.SESSION.EXPIRED":      "checkout.session.expired",
		"payment_intent.payment_failed": "payment_intent.payment_failed",
	} {
		if got := simulate.Closest(asked)[0]; got != want {
			t.Errorf("for %s: %s, want %s", asked, got, want)
		}
	}
	_, err := at(11, noon()).Payment("").Build("charge.dispute.close", simulate.Choices{})
	if err == nil || !strings.Contains(err.Error(), "known are charge.dispute.closed,") {
		t.Errorf("got %v", err)
	}
}

func TestDerive_GivesTheSamePaymentInEveryProcess(t *testing.T) {
	t.Parallel()
	ids := simulate.Derive("reg-1", simulate.IDs{})
	if ids != simulate.Derive("reg-1", simulate.IDs{}) || ids == simulate.Derive("reg-2", simulate.IDs{}) {
		t.Error("the ids do not follow from the registration")
	}
	second := simulate.Derive("reg-1", simulate.IDs{Session: "cs_second"})
	if second.Session != "cs_second" || second.Intent == ids.Intent || second.Charge == ids.Charge || second.Dispute == ids.Dispute {
		t.Error("another session has the first one's payment")
	}
	if other := simulate.Derive("", simulate.IDs{Session: "cs_second"}); other != second {
		t.Error("a session's intent and charge depend on more than the session")
	}
	if byIntent := simulate.Derive("", simulate.IDs{Intent: ids.Intent}); byIntent.Charge != ids.Charge || byIntent.Dispute != ids.Dispute {
		t.Error("an intent's charge depends on more than the intent")
	}
	a, b := at(1, noon()).PaymentOf("reg-1", simulate.IDs{}), at(2, noon()).PaymentOf("reg-1", simulate.IDs{})
	if a.IDs != b.IDs || a.Completed().ID == b.Completed().ID {
		t.Error("the payment is not the same, or its events are not new")
	}
}
