package ingest

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// costs are what a store takes for n events, as measured on one that syncs and on one that does not.
type costs struct{ single, atomic func(n int) time.Duration }

func synced() costs {
	return costs{
		single: func(n int) time.Duration { return time.Duration(n) * 385 * time.Microsecond },
		atomic: func(n int) time.Duration { return 3500*time.Microsecond + time.Duration(n)*32*time.Microsecond },
	}
}

func unsynced() costs {
	return costs{
		single: func(n int) time.Duration { return time.Duration(n) * 46 * time.Microsecond },
		atomic: func(n int) time.Duration { return 500*time.Microsecond + time.Duration(n)*80*time.Microsecond },
	}
}

// slow does not sync either; its round trip takes long, and a batch takes several.
func slow() costs {
	return costs{
		single: func(n int) time.Duration { return 4*time.Millisecond + time.Duration(n)*20*time.Microsecond },
		atomic: func(n int) time.Duration { return 9*time.Millisecond + time.Duration(n)*12*time.Microsecond },
	}
}

// play has the pace choose for rounds of n events, and returns the share that went as batches.
func play(p *pace, c costs, n, rounds int) float64 {
	batched := 0
	for range rounds {
		for left := n; left > 0; {
			how, some := p.choose(left)
			first, took := c.single(1), c.single(some)
			if how == wayAtomic {
				took = c.atomic(some)
				batched += some
			}
			p.learn(how, some, first, took)
			left -= some
		}
	}
	return float64(batched) / float64(n*rounds)
}

func TestPaceBatchesOnlyWhileThatIsCheaper(t *testing.T) {
	t.Parallel()
	for _, n := range []int{16, 40, 64, 150, 256} {
		var p pace
		for _, store := range []struct {
			name     string
			costs    costs
			min, max float64
		}{
			{"synced", synced(), 0.9, 1},
			{"then not synced", unsynced(), 0, 0.1},
			{"then synced again", synced(), 0.9, 1},
			{"then not synced, on a busy machine", slow(), 0, 0.1},
		} {
			play(&p, store.costs, n, 1000) // it adapts
			if share := play(&p, store.costs, n, 1000); share < store.min || share > store.max {
				t.Errorf("%s, %d waiting: %.0f %% as batches", store.name, n, 100*share)
			}
		}
	}
}

func TestPaceChoosesSomeOfWhatWaitsAndNeverASmallBatch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p pace
		for range 100 {
			n := rapid.IntRange(1, maxRound).Draw(t, "waiting")
			how, some := p.choose(n)
			if some < 1 || some > n || how == wayAtomic && some < batchFrom {
				t.Fatalf("choose(%d) = %v, %d", n, how, some)
			}
			took := rapid.Int64Range(1, int64(time.Second)).Draw(t, "took")
			p.learn(how, some, time.Duration(rapid.Int64Range(1, took).Draw(t, "first")), time.Duration(took))
		}
	})
}
