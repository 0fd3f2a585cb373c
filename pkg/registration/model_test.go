package registration

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A second, slow reading of the rules, word by word from the design's tables: attempts are what a chain of
// common ids connects. It holds for histories that do not contradict themselves.

func TestSettlingIsAsTheTablesSay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, p := realistic(t), policies(t)
		got, want := Settle(h.row, h.facts, p), modelSettle(h.row, h.facts, p)
		got.Lapse, got.Decisive, got.PaidAt, got.Attention, got.Mails = "", "", time.Time{}, nil, nil
		if describe(got) != describe(want) {
			t.Fatalf("got  %s\nwant %s", describe(got), describe(want))
		}
	})
}

type group []Fact

func (g group) has(test func(Fact) bool) bool { return slices.ContainsFunc(g, test) }
func (g group) hasKind(k FactKind) bool       { return g.has(func(f Fact) bool { return f.Kind == k }) }

// connected returns the groups of facts that share an id, or share one with a fact of the group.
func connected(facts []Fact) []group {
	share := func(a, b string) bool { return a != "" && a == b }
	nothing := func(f Fact) bool { return f.Session+f.Intent+f.Charge+f.Dispute == "" }
	var groups []group
	for _, f := range facts {
		if f.Kind == HoldExpired {
			continue
		}
		merged := group{f}
		groups = slices.DeleteFunc(groups, func(g group) bool {
			near := g.has(func(x Fact) bool {
				return share(f.Session, x.Session) || share(f.Intent, x.Intent) || share(f.Charge, x.Charge) ||
					share(f.Dispute, x.Dispute) || nothing(f) && nothing(x)
			})
			if near {
				merged = append(merged, g...)
			}
			return near
		})
		groups = append(groups, merged)
	}
	return groups
}

func modelPhase(g group) string {
	latest := func(kinds ...FactKind) (f Fact) {
		for _, x := range g {
			if slices.Contains(kinds, x.Kind) && byCreation(x, f) > 0 {
				f = x
			}
		}
		return f
	}
	closes := map[string]Fact{}
	for _, f := range g {
		if f.Kind == DisputeClosed && byCreation(f, closes[f.Dispute]) > 0 {
			closes[f.Dispute] = f
		}
	}
	completed := latest(PaymentProcessing)
	ended := g.hasKind(IntentCanceled) || g.has(func(f Fact) bool { return f.SessionAsync })
	endedUnpaid := completed.ID == "" || g.has(func(f Fact) bool {
		return f.Kind == PaymentFailed && !f.Created.Before(completed.Created)
	})
	switch {
	case g.has(func(f Fact) bool { return f.Kind == Disputed && closes[f.Dispute].ID == "" }):
		return "dispute open"
	case g.has(func(f Fact) bool { return closes[f.Dispute].Outcome == "lost" }):
		return "dispute lost"
	case latest(Paid).Amount > 0 && g.has(func(f Fact) bool { return f.FullyRefunded }):
		return "refunded"
	case g.hasKind(Paid):
		return "good"
	case !ended && (g.hasKind(IntentSucceeded) || !endedUnpaid):
		return "processing"
	case g.hasKind(IntentCanceled):
		return "canceled"
	case g.hasKind(SessionExpired):
		return "expired"
	case g.hasKind(PaymentFailed) && !latest(PaymentFailed).Created.Before(latest(ActionRequired).Created):
		return "failed"
	}
	return "open"
}

func modelCurrent(r Registration, g group) bool {
	if r.Session == "" {
		return true
	}
	if g.has(func(f Fact) bool { return f.Session != "" }) {
		return g.has(func(f Fact) bool { return f.Session == r.Session })
	}
	if !g.has(func(f Fact) bool { return f.Intent+f.Charge != "" }) {
		return false
	}
	return r.SessionCreatedAt.IsZero() || !g.has(func(f Fact) bool {
		return !f.IntentCreated.IsZero() && r.SessionCreatedAt.Sub(f.IntentCreated) > 60*time.Second
	})
}

func modelSettle(r Registration, facts []Fact, p Policy) State {
	all, current := map[string]bool{}, map[string]bool{}
	var failures []time.Time
	for _, g := range connected(facts) {
		phase := modelPhase(g)
		all[phase] = true
		if !modelCurrent(r, g) {
			continue
		}
		current[phase] = true
		for _, f := range g {
			if f.Kind == PaymentFailed {
				failures = append(failures, f.Created)
			}
		}
	}
	switch {
	case all["good"]:
		return State{Status: PaidStatus, SeatWish: true}
	case all["dispute open"]:
		undisputed := slices.Clone(facts)
		for i, f := range undisputed {
			if f.Kind == Disputed { // a closed one counts by its close
				undisputed[i].Kind = DisputeUpdated
			}
		}
		s := modelSettle(r, undisputed, p)
		s.Status, s.Cause = Failed, CauseDispute
		return s
	case all["processing"]:
		return State{Status: Pending, SeatWish: true}
	case current["dispute lost"]:
		return State{Status: Failed, Cause: CauseDispute}
	case current["refunded"]:
		return State{Status: RefundedStatus}
	case current["canceled"]:
		return State{Status: Canceled, Removed: true}
	case current["expired"]:
		return State{Status: Expired, Removed: true}
	case current["failed"]:
		held := slices.ContainsFunc(facts, func(f Fact) bool { return f.Kind == HoldExpired && f.Session == r.Session })
		if held {
			return State{Status: Failed, Cause: CausePayment}
		}
		return State{
			Status: Failed, Cause: CausePayment, SeatWish: true,
			Deadline: slices.MinFunc(failures, time.Time.Compare).Add(p.FailedHold),
		}
	}
	s := State{Status: Pending, SeatWish: true}
	switch {
	case !r.SessionExpiresAt.IsZero():
		s.Deadline = r.SessionExpiresAt.Add(p.ExpiryGrace)
	case p.PendingHold != 0 && !r.SessionCreatedAt.IsZero():
		s.Deadline = r.SessionCreatedAt.Add(p.PendingHold + p.ExpiryGrace)
	case p.PendingHold != 0:
		s.Deadline = noon.Add(p.PendingHold + p.ExpiryGrace) // the session was set, or the row made, at noon
	}
	return s
}
