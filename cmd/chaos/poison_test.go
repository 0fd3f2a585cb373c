//go:build linux

package chaos

import (
	"slices"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// percentiles are times, in milliseconds, from the receipt of good events to their commit.
type percentiles struct {
	Half float64 `db:"half"`
	Most float64 `db:"most"`
}

// poisons are events that can never be used, among good ones: their neighbours hardly notice.
func poisons() []scenario {
	return []scenario{{
		name: "poison events, 1 % of all", times: counts{1, 3}, rate: 20, alone: true, shape: shape{ingesters: 2, workers: 2},
		begin: refuseUnwanted,
		fault: func(r *run, _ int) {
			// A machine that is busy for a while makes both slow: short times with poison and without take turns, and
			// the middle one of each kind counts.
			const length = 2 * poisonEvery
			var clean, poisoned []percentiles
			for range (counts{3, 7}).at(scaleOf(r.t)) {
				clean = append(clean, r.delays(func() { pause(r.t, length) }))
				poisoned = append(poisoned, r.delays(func() { r.givePoison(length) }))
				pause(r.t, poisonEvery) // in which the last of it becomes a dead letter
			}
			without, with := middle(clean), middle(poisoned)
			r.note("from receipt to commit without poison: half within %.1f ms, 99 %% within %.1f ms; with it: %.1f ms, %.1f ms",
				without.Half, without.Most, with.Half, with.Most)
			const noise = 20 // milliseconds that a busy machine adds to either
			if with.Half > 2*without.Half+noise || with.Most > 2*without.Most+noise {
				r.t.Error("poison more than doubles its neighbours' delay")
			}
		},
	}}
}

// delays are those of the good events that are received while something is done.
func (r *run) delays(something func()) percentiles {
	r.t.Helper()
	from := time.Now()
	something()
	to := time.Now()
	pause(r.t, 500*time.Millisecond) // for the last of them
	var p percentiles
	if err := r.db.Get(&p, `
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - received_at) * 1000) AS half,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM stored_at - received_at) * 1000) AS most
FROM stripe_events WHERE source = 'stripe' AND received_at BETWEEN $1 AND $2`, from, to); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func middle(all []percentiles) percentiles {
	var half, most []float64
	for _, p := range all {
		half, most = append(half, p.Half), append(most, p.Most)
	}
	slices.Sort(half)
	slices.Sort(most)
	return percentiles{half[len(half)/2], most[len(most)/2]}
}

// poisonEvery is how often an event comes that nobody can use: of those of 20 purchases a second it is one in a hundred.
const poisonEvery = 2 * time.Second

// givePoison delivers such events, by turns one that cannot be read and one that the database refuses.
func (r *run) givePoison(length time.Duration) {
	r.t.Helper()
	for n := range int(length / poisonEvery) {
		r.sender.mu.Lock()
		e := []func() simulate.Event{r.sender.shop.poison, r.sender.shop.unwanted}[n%2]()
		r.sender.sendAfter(0, e, true)
		r.sender.mu.Unlock()
		pause(r.t, poisonEvery)
	}
}
