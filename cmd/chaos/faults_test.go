//go:build linux

package chaos

import (
	"fmt"
	"testing"
)

func TestNoAcknowledgedEventIsLostOrDoubled(t *testing.T) {
	if scaleOf(t) == smoke {
		t.Parallel()
		play(t, medley(), 1, newReport())
		return
	}
	rows := newReport()
	order := []string{syncRow, slowRow, largeRow, endlessRow}
	t.Run("no 200 before the sync", func(t *testing.T) { no200BeforeTheSync(t, rows) })
	t.Run("slow and greedy clients", func(t *testing.T) { slowAndGreedyClients(t, rows) })
	all := scenarios()
	for _, s := range all {
		order = append(order, s.name)
	}
	for _, together := range []bool{false, true} { // those that measure have the machine to themselves
		t.Run("fault", func(t *testing.T) {
			for _, s := range all {
				if s.alone == together {
					continue
				}
				t.Run(s.name, func(t *testing.T) {
					if together {
						t.Parallel()
					}
					play(t, s, s.times.at(scaleOf(t)), rows)
				})
			}
		})
	}
	fmt.Print(rows.table(order))
}

// scenarios are all faults, in the order of the table.
func scenarios() []scenario {
	var all []scenario
	for _, some := range [][]scenario{
		kills(), databaseFaults(), crashes(), networks(), disks(), clusters(), rolling(), mailFaults(), poisons(),
	} {
		all = append(all, some...)
	}
	return all
}

// medley is one of each fault that needs neither root nor a long wait.
func medley() scenario {
	var faults []func(r *run, nth int)
	for _, some := range [][]scenario{kills(), crashes()} {
		for _, s := range some {
			faults = append(faults, s.fault)
		}
	}
	return scenario{
		name: "one of each", shape: shape{ingesters: 2, workers: 1}, mailsTwice: 8,
		fault: func(r *run, nth int) {
			for _, fault := range faults {
				fault(r, nth)
			}
		},
	}
}
