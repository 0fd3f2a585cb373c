//go:build linux

package chaos

import "testing"

func TestNoAcknowledgedEventIsLostOrDoubled(t *testing.T) {
	if scaleOf(t) == smoke {
		t.Parallel()
		play(t, medley(), 1, &report{})
		return
	}
	t.Run("no 200 before the sync", no200BeforeTheSync)
	t.Run("slow and greedy clients", slowAndGreedyClients)
	rows := &report{}
	all := scenarios()
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
	rows.print(all)
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
