package lookup_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
)

func seeded(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(h.Sum64(), 1))
}

func TestWherePaymentsAreFound(t *testing.T) {
	t.Parallel()
	complete := session("cs_test_1", "complete", "paid", "pi_1")
	for name, c := range map[string]struct {
		objects        []Object
		charge, intent string
		want           lookup.Place
		asked          []string
	}{
		"by the intent's metadata": {
			[]Object{with(intent("pi_1", "succeeded", "ch_1"), "metadata", names("reg-1")), charge("ch_1", "pi_1")}, "ch_1", "pi_1",
			lookup.Place{Registration: "reg-1", Intent: "pi_1", Charge: "ch_1"},
			[]string{"/v1/payment_intents/pi_1"},
		},
		"by the metadata of the intent's charge": {
			[]Object{intent("pi_1", "succeeded", "ch_1"), with(charge("ch_1", "pi_1"), "metadata", names("reg-1"))}, "", "pi_1",
			lookup.Place{Registration: "reg-1", Intent: "pi_1", Charge: "ch_1"},
			[]string{"/v1/payment_intents/pi_1"},
		},
		"by the session of the intent": {
			[]Object{intent("pi_1", "succeeded", "ch_1"), charge("ch_1", "pi_1"), with(complete, "metadata", names("reg-1"))}, "ch_1", "pi_1",
			lookup.Place{Registration: "reg-1", Session: "cs_test_1", Intent: "pi_1", Charge: "ch_1"},
			[]string{"/v1/payment_intents/pi_1", "/v1/checkout/sessions"},
		},
		"a dispute whose intent is null": {
			[]Object{intent("pi_1", "succeeded", "ch_1"), charge("ch_1", "pi_1"), with(complete, "metadata", names("reg-1"))}, "ch_1", "",
			lookup.Place{Registration: "reg-1", Session: "cs_test_1", Intent: "pi_1", Charge: "ch_1"},
			[]string{"/v1/charges/ch_1", "/v1/checkout/sessions"},
		},
		"by the metadata of the charge's intent": {
			[]Object{with(intent("pi_1", "succeeded", "ch_1"), "metadata", names("reg-1")), charge("ch_1", "pi_1")}, "ch_1", "",
			lookup.Place{Registration: "reg-1", Intent: "pi_1", Charge: "ch_1"},
			[]string{"/v1/charges/ch_1"},
		},
		"by an earlier charge of the intent": {
			[]Object{intent("pi_1", "succeeded", "ch_2"), charge("ch_2", "pi_1"), with(charge("ch_1", "pi_1"), "metadata", names("reg-1"))}, "ch_1", "pi_1",
			lookup.Place{Registration: "reg-1", Intent: "pi_1", Charge: "ch_1"},
			[]string{"/v1/payment_intents/pi_1", "/v1/charges/ch_1"},
		},
		"a session without metadata": {
			[]Object{intent("pi_1", "succeeded", "ch_1"), complete}, "", "pi_1",
			lookup.Place{Session: "cs_test_1", Intent: "pi_1", Charge: "ch_1"},
			[]string{"/v1/payment_intents/pi_1", "/v1/checkout/sessions"},
		},
		"of several sessions the one with a registration": {
			[]Object{intent("pi_1", "succeeded", ""), with(session("cs_test_0", "expired", "unpaid", "pi_1"), "metadata", names("reg-1")), complete}, "", "pi_1",
			lookup.Place{Registration: "reg-1", Session: "cs_test_0", Intent: "pi_1"},
			[]string{"/v1/payment_intents/pi_1", "/v1/checkout/sessions"},
		},
		"an intent that Checkout did not make": {
			[]Object{intent("pi_1", "succeeded", "ch_1")}, "", "pi_1",
			lookup.Place{Intent: "pi_1", Charge: "ch_1"},
			[]string{"/v1/payment_intents/pi_1", "/v1/checkout/sessions"},
		},
		"a charge without an intent": {
			[]Object{charge("ch_1", "")}, "ch_1", "", lookup.Place{Charge: "ch_1"}, []string{"/v1/charges/ch_1"},
		},
		"an intent that is not there, a charge that is": {
			[]Object{with(charge("ch_1", "pi_1"), "metadata", names("reg-1"))}, "ch_1", "pi_9",
			lookup.Place{Registration: "reg-1", Intent: "pi_1", Charge: "ch_1"},
			[]string{"/v1/payment_intents/pi_9", "/v1/charges/ch_1"},
		},
		"neither": {
			nil, "ch_1", "pi_1", lookup.Place{}, []string{"/v1/payment_intents/pi_1", "/v1/charges/ch_1"},
		},
		"metadata that are no string": {
			[]Object{with(intent("pi_1", "succeeded", ""), "metadata", Object{"registrationId": 5})}, "", "pi_1",
			lookup.Place{Intent: "pi_1"}, []string{"/v1/payment_intents/pi_1", "/v1/checkout/sessions"},
		},
		"references that are objects already": {
			[]Object{with(intent("pi_1", "succeeded", ""), "latest_charge", with(charge("ch_1", ""), "metadata", names("reg-1")))}, "", "pi_1",
			lookup.Place{Registration: "reg-1", Intent: "pi_1", Charge: "ch_1"}, []string{"/v1/payment_intents/pi_1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fakestripe.New(t)
			s.Add("acct_1", c.objects...)
			place, err := client(t, s).Locate(t.Context(), "acct_1", c.charge, c.intent)
			if err != nil || place != c.want {
				t.Errorf("located at %+v, %v; want %+v", place, err, c.want)
			}
			if asked := paths(s); fmt.Sprint(asked) != fmt.Sprint(c.asked) {
				t.Errorf("asked for %v, want %v", asked, c.asked)
			}
			for _, r := range s.Requests("/") {
				if r.Account != "acct_1" {
					t.Errorf("asked for %s of the account %q", r.Path, r.Account)
				}
			}
		})
	}
}

func TestASimulatedDisputeIsLocated(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	p := purchase("reg-1")
	p.Registration = ""
	s.Happened("", p.Succeeded(), p.Charged())
	p.Registration = "reg-1"
	s.Happened("", p.Completed())
	place, err := client(t, s).Locate(t.Context(), "", p.Charge, "")
	if want := (lookup.Place{Registration: "reg-1", Session: p.Session, Intent: p.Intent, Charge: p.Charge}); err != nil || place != want {
		t.Errorf("located at %+v, %v; want %+v", place, err, want)
	}
}

func TestPlacesAreRememberedForAMinute(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	c := &clock{unix(fakestripe.SessionMade)}
	ask := client(t, s, at(c))
	locate := func(account, charge, intent string, requests int, want lookup.Place) {
		t.Helper()
		before := len(s.Requests("/"))
		place, err := ask.Locate(t.Context(), account, charge, intent)
		if err != nil || place != want {
			t.Errorf("located at %+v, %v; want %+v", place, err, want)
		}
		if sent := len(s.Requests("/")) - before; sent != requests {
			t.Errorf("took %d requests, want %d", sent, requests)
		}
	}
	s.Add("acct_1")
	locate("", "ch_1", "", 1, lookup.Place{})
	locate("", "ch_1", "", 0, lookup.Place{})
	locate("acct_1", "ch_1", "", 1, lookup.Place{})
	s.Add("", with(charge("ch_1", ""), "metadata", names("reg-1")))
	c.now = c.now.Add(time.Minute - time.Second)
	locate("", "ch_1", "", 0, lookup.Place{})
	c.now = c.now.Add(time.Second)
	found := lookup.Place{Registration: "reg-1", Charge: "ch_1"}
	locate("", "ch_1", "", 1, found)
	locate("", "ch_1", "", 0, found)
}

func TestAFailedSearchIsNotRemembered(t *testing.T) {
	t.Parallel()
	s := fakestripe.New(t)
	s.Add("", intent("pi_1", "succeeded", ""), with(session("cs_test_1", "complete", "paid", "pi_1"), "metadata", names("reg-1")))
	ask := client(t, s)
	s.FailWith(1, fakestripe.Failure{Status: 500})
	if place, err := ask.Locate(t.Context(), "", "", "pi_1"); !errors.Is(err, lookup.ErrUnavailable) || place != (lookup.Place{}) {
		t.Errorf("located at %+v, %v; want ErrUnavailable", place, err)
	}
	if place, err := ask.Locate(t.Context(), "", "", "pi_1"); err != nil || place.Registration != "reg-1" {
		t.Errorf("located at %+v, %v", place, err)
	}
}

func paths(s *fakestripe.Server) []string {
	var out []string
	for _, r := range s.Requests("/") {
		out = append(out, r.Path)
	}
	return out
}
