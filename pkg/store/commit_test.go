package store_test

import (
	"bytes"
	"sync/atomic"
	"testing"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

var commit = []byte("COMMIT")

// The batch is stored, but nobody knows: it is given again.
func TestACommitWhoseAnswerIsLostCountsOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	var cut atomic.Bool
	s := f.through(proxy{asked: func(b []byte) verdict {
		if bytes.Contains(b, commit) && cut.CompareAndSwap(false, true) {
			return deaf
		}
		return pass
	}})
	batch := []store.Received{paidFor(1, "reg-1"), paidFor(2, "nobody")}
	if _, err := s.Process(t.Context(), batch); err == nil || store.IsDataError(err) {
		t.Fatalf("got %v", err)
	}
	eventually(t, "it is stored", func() bool { return f.get(`SELECT count(*) FROM stripe_events`) == "2" })
	again, err := s.Process(t.Context(), batch)
	if err != nil || len(again.Stored)+len(again.Changes) != 0 {
		t.Errorf("got %+v, %v", again, err)
	}
	f.wantState("reg-1", "PAID seat ")
	f.want([]string{"1"}, `SELECT count(*) FROM registration_history`)
	f.wantSent("paid:pi_reg-1")
}

// The database goes away after the commit, before the second look: what it would have found is found when
// the batch is given again.
func TestASecondLookThatFailsIsMadeUpFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	// It waits for its charge's intent, and would be linked through its own.
	stray := fact(9, registration.IntentSucceeded, "", of("", "pi_other", "ch_1"))
	f.process(stray, fact(10, registration.Disputed, "", of("", "", "ch_1")))
	var committed, away atomic.Bool
	s := f.through(proxy{asked: func(b []byte) verdict {
		switch {
		case away.Load():
			return disconnect
		case committed.Load():
			away.Store(true)
			f.exec(`UPDATE stripe_events SET intent_id = 'pi_reg-1' WHERE id = $1`, stray.ID) // another worker commits
			return disconnect
		case bytes.Contains(b, commit):
			committed.Store(true)
		}
		return pass
	}})
	if _, err := s.Process(t.Context(), []store.Received{paidFor(1, "reg-1")}); err == nil || store.IsDataError(err) {
		t.Fatalf("got %v", err)
	}
	f.wantLinks("evt_disputed_10 waiting", "evt_intent_succeeded_9 waiting", "evt_paid_1 reg-1")
	if got := f.process(paidFor(1, "reg-1")); len(got.Links) != 2 {
		t.Errorf("linked %q", linked(got.Links))
	}
	f.wantState("reg-1", "FAILED seat ")
}
