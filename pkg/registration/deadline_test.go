package registration

import (
	"testing"
	"time"
)

func TestDeadlines(t *testing.T) {
	t.Parallel()
	noEnd := func(r *Registration) { r.SessionExpiresAt = time.Time{} }
	noBegin := func(r *Registration) { r.SessionCreatedAt = time.Time{} }
	setLater := func(r *Registration) { r.SessionSetAt = at(3600) }
	madeLater := func(r *Registration) { r.SessionCreatedAt = at(7200) }
	failure := fact(100, PaymentFailed, "pi_1", "ch_1")
	testSettled(t, []settled{
		{name: "a session's end and the grace", want: "PENDING seat session_expired@25h0m0s"},
		{name: "a short session's end and the grace", row: []func(*Registration){func(r *Registration) { r.SessionExpiresAt = at(1800) }}, want: "PENDING seat session_expired@1h30m0s"},
		{name: "PENDING_HOLD after the session was made", row: []func(*Registration){noEnd, setLater, madeLater}, want: "PENDING seat session_expired@27h0m0s"},
		{name: "PENDING_HOLD after the session was set", row: []func(*Registration){noEnd, noBegin, setLater}, want: "PENDING seat session_expired@26h0m0s"},
		{name: "PENDING_HOLD after the row was made", row: []func(*Registration){withoutSession}, want: "PENDING seat session_expired@25h0m0s"},
		{name: "an action required moves nothing", facts: []Fact{fact(9, ActionRequired, "pi_1")}, want: "PENDING seat session_expired@25h0m0s"},

		{name: "FAILED_HOLD after the first failure", facts: []Fact{failure, fact(200, PaymentFailed, "pi_1", "ch_2")}, want: failedState(100)},
		{name: "the first failure of all current attempts", facts: []Fact{failure, fact(50, PaymentFailed, "pi_2", "ch_2"), fact(60, ActionRequired, "pi_2")}, want: failedState(50)},
		{name: "a stale attempt's failure does not count", facts: []Fact{failure, fact(50, PaymentFailed, "cs_old", "pi_2").with(ofSession)}, want: failedState(100)},
		{name: "a session's end does not bound a failure's hold", row: []func(*Registration){func(r *Registration) { r.SessionExpiresAt = at(1800) }}, facts: []Fact{failure}, want: failedState(100)},

		{name: "hold_expired releases the place", facts: []Fact{failure, fact(999, HoldExpired, "cs_now")}, want: "FAILED payment"},
		{name: "hold_expired of another session does not", facts: []Fact{failure, fact(999, HoldExpired, "cs_old")}, want: failedState(100)},
		{name: "hold_expired without a session does not, once there is one", facts: []Fact{failure, fact(999, HoldExpired)}, want: failedState(100)},
		{name: "hold_expired releases the place of a row without a session", row: []func(*Registration){withoutSession}, facts: []Fact{failure, fact(999, HoldExpired)}, want: "FAILED payment"},
		{name: "a failure after hold_expired wishes for no place", facts: []Fact{failure, fact(999, HoldExpired, "cs_now"), fact(1000, PaymentFailed, "pi_1", "ch_2")}, want: "FAILED payment"},
		{name: "another try after hold_expired does", facts: []Fact{failure, fact(999, HoldExpired, "cs_now"), fact(1000, ActionRequired, "pi_1")}, want: openState},
		{name: "hold_expired without a failure is nothing", facts: []Fact{fact(999, HoldExpired, "cs_now")}, want: openState},
		{name: "a session set after a failure starts anew", facts: []Fact{fact(-500, PaymentFailed, "pi_0", "ch_0").with(madeAt(-600))}, want: openState},
		{name: "under an open dispute the deadline is what it would be", facts: []Fact{failure, fact(1, Disputed, "dp_1", "ch_9")}, want: "FAILED dispute seat hold_expired@24h1m40s"},
	})
}

func TestAPendingHoldOfZeroHoldsForEver(t *testing.T) {
	t.Parallel()
	p := usualPolicy
	p.PendingHold = 0
	if got := describe(Settle(usual(withoutSession), nil, p)); got != "PENDING seat" {
		t.Errorf("without a session it is %s", got)
	}
	if got := describe(Settle(usual(), nil, p)); got != openState {
		t.Errorf("with a session whose end is known it is %s", got)
	}
}

func TestLapsedIsTheSameWhoeverMakesIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		row   Registration
		facts []Fact
		want  Fact
		then  string
	}{
		{
			"a session", usual(), nil,
			Fact{ID: "session_expired:reg-1:cs_now", Kind: SessionExpired, Session: "cs_now", Created: noon.Add(25 * time.Hour)}, expiredState,
		},
		{
			"no session", usual(withoutSession, func(r *Registration) { r.CreatedAt = noon.Add(time.Second / 2) }), nil,
			Fact{ID: "session_expired:reg-1:", Kind: SessionExpired, Created: noon.Add(25 * time.Hour)}, expiredState,
		},
		{
			"a hold", usual(), []Fact{fact(1, PaymentFailed, "pi_1", "ch_1")},
			Fact{ID: "hold_expired:reg-1:cs_now", Kind: HoldExpired, Session: "cs_now", Created: at(1).Add(24 * time.Hour)}, "FAILED payment",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.want.Source = FromClock
			got := Lapsed(c.row, Settle(c.row, c.facts, usualPolicy))
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if then := describe(settle(t, c.row, append(c.facts, got))); then != c.then {
				t.Errorf("then it is %s, want %s", then, c.then)
			}
		})
	}
}
