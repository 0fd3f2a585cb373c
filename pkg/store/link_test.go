package store_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func linked(links []store.Link) []string {
	out := []string{}
	for _, l := range links {
		out = append(out, l.Fact.ID+" "+l.RegistrationID)
	}
	slices.Sort(out)
	return out
}

func waiting(events []store.Received) []string {
	out := []string{}
	for _, e := range events {
		out = append(out, e.ID)
	}
	slices.Sort(out)
	return out
}

func TestAFactFindsItsRegistration(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before []store.Received // stored before
		event  store.Received
		want   string
	}{
		"by its metadata":                           {nil, paidFor(1, "reg-1"), "reg-1"},
		"by the platform's session":                 {nil, fact(1, registration.Paid, "", of("cs_platform", "", "")), "reg-2"},
		"by its metadata before another's session":  {nil, fact(1, registration.Paid, "reg-1", of("cs_platform", "", "")), "reg-1"},
		"by the session if the metadata are others": {nil, fact(1, registration.Paid, "nobody", of("cs_platform", "", "")), "reg-2"},
		"by another fact's session":                 {[]store.Received{paidFor(0, "reg-1")}, fact(1, registration.SessionExpired, "", of("cs_reg-1", "", "")), "reg-1"},
		"by another fact's intent":                  {[]store.Received{paidFor(0, "reg-1")}, fact(1, registration.IntentSucceeded, "", of("", "pi_reg-1", "ch")), "reg-1"},
		"by another fact's charge":                  {[]store.Received{failedFor(0, "reg-1")}, fact(1, registration.Disputed, "", of("", "", "ch_reg-1_0")), "reg-1"},
		"or waits":                                  {[]store.Received{paidFor(0, "reg-1")}, fact(1, registration.Disputed, "nobody", of("cs_x", "pi_x", "ch_x")), ""},
		"and an empty key is no key": {
			[]store.Received{fact(0, registration.PaymentFailed, "reg-1")}, fact(1, registration.Disputed, ""), "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 10)
			f.register("e", "reg-1", "reg-2")
			f.exec(`UPDATE registrations SET checkout_session_id = 'cs_platform' WHERE id = 'reg-2'`)
			f.process(c.before...)
			f.process(c.event)
			if got := f.get(`SELECT registration_id FROM stripe_events WHERE id = $1`, c.event.ID); got != c.want {
				t.Errorf("it is linked to %q, want %q", got, c.want)
			}
		})
	}
}

// chain are facts of which only the first names the registration; each other one is tied to the one before it.
func chain(about string) []store.Received {
	return []store.Received{
		fact(0, registration.SessionExpired, about, of("cs_1", "", "")),
		fact(1, registration.PaymentProcessing, "", of("cs_1", "pi_1", "")),
		fact(2, registration.IntentSucceeded, "", of("", "pi_1", "ch_1")),
		fact(3, registration.Disputed, "", of("", "", "ch_1"), func(f *registration.Fact) { f.Dispute = "dp_1" }),
		fact(4, registration.ChargeRefunded, "", of("", "pi_2", "ch_1")),
		fact(5, registration.PaymentFailed, "", of("", "pi_2", "")),
	}
}

var chainLinks = []string{
	"evt_disputed_3 reg-1", "evt_intent_succeeded_2 reg-1", "evt_payment_failed_5 reg-1", "evt_payment_processing_1 reg-1",
	"evt_refunded_4 reg-1", "evt_session_expired_0 reg-1",
}

func TestLinksAreFollowedFromFactToFact(t *testing.T) {
	t.Parallel()
	for name, batches := range map[string]func([]store.Received) [][]store.Received{
		"within a batch": func(c []store.Received) [][]store.Received { return [][]store.Received{c} },
		"one by one":     func(c []store.Received) [][]store.Received { return slices.Collect(slices.Chunk(c, 1)) },
		"backwards, one by one": func(c []store.Received) [][]store.Received {
			slices.Reverse(c)
			return slices.Collect(slices.Chunk(c, 1))
		},
		"shuffled, in twos": func(c []store.Received) [][]store.Received {
			rand.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
			return slices.Collect(slices.Chunk(c, 2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 10)
			f.register("e", "reg-1")
			var links []store.Link
			for _, batch := range batches(chain("reg-1")) {
				links = append(links, f.process(batch...).Links...)
			}
			f.wantLinks(chainLinks...)
			if got := linked(links); !slices.Equal(got, chainLinks) {
				t.Errorf("the results tell of %q", got)
			}
			f.sweep()
			f.wantState("reg-1", "FAILED seat ")
		})
	}
}

func TestFactsWaitForTheirRegistration(t *testing.T) {
	t.Parallel()
	for name, insert := range map[string]string{
		"by its id":      `INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'e', 'x')`,
		"by its session": `INSERT INTO registrations (id, event_id, email, checkout_session_id) VALUES ('reg-1', 'e', 'x', 'cs_1')`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 10)
			about := "reg-1"
			if name != "by its id" {
				about = ""
			}
			if got := f.process(chain(about)...); len(got.Waiting) != len(chainLinks) || len(got.Links) != 0 {
				t.Fatalf("got %+v", got)
			}
			if got := f.process(chain(about)...); len(got.Waiting) != 0 {
				t.Errorf("a redelivery waits as if new: %q", waiting(got.Waiting))
			}
			f.exec(insert)
			if got := f.sweep(); !slices.Equal(linked(got.Links), chainLinks) {
				t.Errorf("the sweep linked %q", linked(got.Links))
			}
			f.wantLinks(chainLinks...)
			f.wantState("reg-1", "FAILED seat ")
			if again := f.sweep(); len(again.Links)+len(again.Changes) != 0 {
				t.Errorf("the next sweep did %+v", again)
			}
		})
	}
}

func TestARedeliveredFactThatWaitedIsLinkedAsIfNew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.process(paidFor(1, "reg-1"))
	f.register("e", "reg-1")
	got := f.process(paidFor(1, "reg-1"))
	if len(got.Stored) != 0 || len(got.Links) != 1 || len(got.Changes) != 1 {
		t.Errorf("got %+v", got)
	}
	f.wantState("reg-1", "PAID seat ")
}

func TestARedeliveredFactThatWaitedIsLinkedByWhatItSaysNow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"))
	f.process(fact(2, registration.Disputed, "", of("", "", "ch_x")))
	f.wantLinks("evt_disputed_2 waiting", "evt_paid_1 reg-1")
	f.process(fact(2, registration.Disputed, "", of("", "pi_reg-1", ""))) // as a later version reads it
	f.wantLinks("evt_disputed_2 reg-1", "evt_paid_1 reg-1")
}

func TestARedeliveredFactThatWaitedGoesWhereItBelongsRatherThanWithAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	waited := fact(1, registration.PaymentFailed, "", of("cs_b", "", ""))
	f.process(waited)
	f.register("e", "reg-a", "reg-b")
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_b' WHERE id = 'reg-b'`)
	f.process(waited, fact(2, registration.PaymentFailed, "reg-a", of("cs_b", "", "")))
	f.wantLinks("evt_payment_failed_1 reg-b", "evt_payment_failed_2 reg-a")
}

func TestADisputeWithoutAnIntentWaitsForItsPayment(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.register("e", "reg-1")
	dispute := fact(9, registration.Disputed, "", of("", "", "ch_1"), func(f *registration.Fact) { f.Dispute = "dp_1" })
	f.process(dispute)
	f.process(paidFor(1, "reg-1"))
	f.wantState("reg-1", "PAID seat ")
	got := f.process(fact(2, registration.IntentSucceeded, "", of("", "pi_reg-1", "ch_1")))
	if !slices.Equal(linked(got.Links), []string{"evt_disputed_9 reg-1", "evt_intent_succeeded_2 reg-1"}) {
		t.Errorf("got %q", linked(got.Links))
	}
	f.wantState("reg-1", "FAILED seat ")
}

func TestContradictoryMetadataGoWhereTheySay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.register("e", "reg-1", "reg-2")
	unnamed := fact(3, registration.SessionExpired, "", of("cs_1", "", ""))
	f.process(unnamed, fact(2, registration.Paid, "reg-2", of("cs_1", "pi_1", "")), fact(1, registration.Paid, "reg-1", of("cs_1", "pi_1", "")))
	f.wantLinks("evt_paid_1 reg-1", "evt_paid_2 reg-2", "evt_session_expired_3 reg-1")
	f.process(fact(4, registration.IntentCanceled, "", of("", "pi_1", "")))
	f.wantLinks("evt_canceled_4 reg-1", "evt_paid_1 reg-1", "evt_paid_2 reg-2", "evt_session_expired_3 reg-1")
}

// A registration is due until its own look for waiting facts: settling it for another reason must not end that.
func TestFactsThatWaitAreNotForgottenWhenAnotherFactSettlesTheirRegistration(t *testing.T) {
	t.Parallel()
	for name, insert := range map[string]string{
		"by its id":      `INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'e', 'x')`,
		"by its session": `INSERT INTO registrations (id, event_id, email, checkout_session_id) VALUES ('reg-1', 'e', 'x', 'cs_reg-1')`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 10)
			early := paidFor(1, "reg-1")
			if name == "by its session" {
				early.Registration = ""
			}
			f.process(early)
			f.exec(insert)
			f.process(fact(2, registration.ActionRequired, "reg-1", of("", "pi_other", "")))
			f.sweep()
			f.wantState("reg-1", "PAID seat ")
		})
	}
}

func TestThePlatformsNewSessionTakesTheFactsThatWaitForIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.register("e", "reg-1")
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_1'`)
	f.process(fact(1, registration.Paid, "", of("cs_2", "pi_2", "")))
	f.exec(`UPDATE registrations SET checkout_session_id = 'cs_2'`)
	f.process(fact(2, registration.SessionExpired, "", of("cs_1", "", ""))) // cs_1 is nobody's any more
	f.sweep()
	f.wantState("reg-1", "PAID seat ")
	f.wantLinks("evt_paid_1 reg-1", "evt_session_expired_2 waiting")
}

func TestStraysAreLinked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 10)
	f.register("e", "reg-1")
	f.process(paidFor(1, "reg-1"))
	f.process(fact(2, registration.IntentSucceeded, "", of("", "pi_other", "ch_1")), fact(3, registration.Disputed, "", of("", "", "ch_1")))
	for n := range 20 { // facts that stay, older than the strays
		f.process(fact(100+n, registration.Paid, "nobody"))
	}
	f.exec(`UPDATE stripe_events SET intent_id = 'pi_reg-1' WHERE id = 'evt_intent_succeeded_2'`) // as a worker leaves it that died
	if got, err := f.store.LinkStrays(t.Context(), noon.Add(time.Second), 5); err != nil || len(got.Links) != 0 {
		t.Errorf("stored before the time given, and yet: %+v, %v", got, err)
	}
	got, err := f.store.LinkStrays(t.Context(), noon, 5)
	if err != nil || !slices.Equal(linked(got.Links), []string{"evt_disputed_3 reg-1", "evt_intent_succeeded_2 reg-1"}) {
		t.Errorf("linked %q, %v", linked(got.Links), err)
	}
	f.wantState("reg-1", "FAILED seat ")
}

// The batch's first fact links one that waits, which links the batch's other: neither waits any longer.
func TestAFactThatIsLinkedThroughAWaitingOneIsNotToldAsWaiting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	f.process(fact(1, registration.PaymentProcessing, "", of("cs_1", "pi_1", "")))
	got, err := f.open(store.Options{MailsOff: true}).Process(t.Context(), []store.Received{
		fact(2, registration.SessionExpired, "reg-1", of("cs_1", "", "")), fact(3, registration.IntentSucceeded, "", of("", "pi_1", "ch_1")),
	})
	if err != nil || len(got.Waiting) != 0 || len(got.Links) != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
	f.want([]string{}, `SELECT slot FROM notifications WHERE fact_id = 'evt_intent_succeeded_3' AND slot LIKE '%unknown%'`)
}
