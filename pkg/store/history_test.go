package store_test

import (
	"testing"

	"github.com/educareschool/guichet/pkg/registration"
)

func TestTheHistoryHasOneRowAChangeAndTheFactThatDecidedIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 1)
	f.register("e", "reg-1")
	dispute := func(d *registration.Fact) { d.Dispute = "dp_1" }
	steps := []func(){
		func() { f.process(fact(1, registration.ActionRequired, "reg-1", of("", "pi_reg-1", ""))) }, // it stays PENDING
		func() { f.process(failedFor(2, "reg-1")) },
		func() { f.process(failedFor(3, "reg-1")) }, // it stays FAILED
		func() { f.process(paidFor(4, "reg-1")) },
		func() { f.process(failedFor(5, "reg-1")) }, // a late failure
		func() { f.process(fact(6, registration.Disputed, "reg-1", of("", "pi_reg-1", "ch"), dispute)) },
		func() {
			f.process(fact(7, registration.DisputeClosed, "reg-1", of("", "pi_reg-1", "ch"), dispute, func(d *registration.Fact) { d.Outcome = "lost" }))
		},
	}
	for _, step := range steps {
		step()
		step()
		f.sweep()
	}
	f.want([]string{
		"PENDING FAILED payment t evt_payment_failed_2",
		"FAILED PAID  t evt_paid_4",
		"PAID FAILED dispute t evt_disputed_6",
		"FAILED FAILED dispute f evt_dispute_closed_7",
	}, `SELECT concat_ws(' ', from_status, to_status, cause, seat_held, fact_id) FROM registration_history ORDER BY id`)
	f.want([]string{noon.Format("2006-01-02 15:04:05")}, `SELECT DISTINCT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM registration_history`)
}

func TestOnlyTheOutcomeOfABatchIsHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 1)
	f.register("e", "reg-1")
	f.process(failedFor(1, "reg-1"), paidFor(2, "reg-1"), canceledFor(3, "reg-1"))
	f.want([]string{"PENDING PAID evt_paid_2"}, `SELECT concat_ws(' ', from_status, to_status, fact_id) FROM registration_history`)
}

func TestRemovalFollowsTheStatusBothWays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 1)
	f.register("e", "reg-1")
	f.process(canceledFor(1, "reg-1"))
	f.want([]string{}, `SELECT id FROM active_registrations`)
	f.want([]string{"true"}, `SELECT (removed_at = $1)::text FROM registrations`, noon)
	f.now = noon.AddDate(0, 0, 1)
	f.process(canceledFor(2, "reg-1"))
	f.want([]string{"true"}, `SELECT (removed_at = $1)::text FROM registrations`, noon)
	f.process(paidFor(3, "reg-1"))
	f.want([]string{"reg-1"}, `SELECT id FROM active_registrations`)
	f.want([]string{"PAID true"}, `SELECT status || ' ' || (removed_at IS NULL) FROM registrations`)
}
