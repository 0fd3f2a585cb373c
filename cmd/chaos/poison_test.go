//go:build linux

package chaos

import "time"

// poisons are events that can never be used, among good ones: their neighbours hardly notice.
func poisons() []scenario {
	type percentiles struct {
		Half float64 `db:"half"`
		Most float64 `db:"most"`
	}
	// delays are the times, in milliseconds, from the receipt of good events to their commit.
	delays := func(r *run, from, to time.Time) percentiles {
		var p percentiles
		if err := r.db.Get(&p, `
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - received_at) * 1000) AS half,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - received_at) * 1000) AS most
FROM stripe_events WHERE source = 'stripe' AND received_at BETWEEN $1 AND $2`, from, to); err != nil {
			r.t.Fatal(err)
		}
		return p
	}
	return []scenario{{
		name: "poison events, 1 % of all", times: counts{1, 3}, rate: 40, alone: true, shape: shape{ingesters: 2, workers: 2},
		begin: refuseUnwanted,
		fault: func(r *run, _ int) {
			began := time.Now()
			pause(r.t, 2*r.outage())
			between := time.Now()
			r.sender.poison(100)
			pause(r.t, 2*r.outage())
			r.sender.poison(0)
			clean, poisoned := delays(r, began, between), delays(r, between, time.Now())
			r.t.Logf("from receipt to commit without poison: half within %.1f ms, 99 %% within %.1f ms; with it: %.1f ms, %.1f ms",
				clean.Half, clean.Most, poisoned.Half, poisoned.Most)
			const noise = 20 // milliseconds that a busy machine adds to either
			if poisoned.Half > 2*clean.Half+noise || poisoned.Most > 2*clean.Most+noise {
				r.t.Error("poison more than doubles its neighbours' delay")
			}
		},
	}}
}
