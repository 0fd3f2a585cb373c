package ingest

import (
	"math/bits"
	"time"
)

// way is how a number of events is published.
type way string

const (
	waySingle   way = "single"   // each by itself, pipelined
	wayAtomic   way = "atomic"   // as one atomic batch
	wayFallback way = "fallback" // singly, after a batch that was refused; never chosen
)

const (
	// batchFrom is the least number of events for a batch: making and removing its store costs as much as
	// syncing 12 to 16 single messages.
	batchFrom = 16
	// sampleEvery is after how many choices the way that is not in use is measured again, and sampleSize how
	// many events go singly for that, so that the measuring itself stays cheap.
	sampleEvery = 32
	sampleSize  = 64
	// smoothing is the weight of a new measurement.
	smoothing = 0.3
)

// pace chooses the cheaper way by what the two have cost lately. Where the store syncs every write, batches
// win by far; where it does not, they lose and so are hardly used. A batch's cost includes that of its
// fall-back, so a stream that refuses batches soon sees few. The zero value has measured nothing.
type pace struct {
	toFirst  float64    // seconds until the first of many singles is stored: to hand them all on, and a round trip
	perEvent float64    // seconds for each after it
	perBatch [5]float64 // seconds a batch of 16…, 32…, 64…, 128… and 256 events
	choices  int
	wins     int // of singles, one after the other
}

// choose returns how to publish the first so many of n events.
func (p *pace) choose(n int) (way, int) {
	if n < batchFrom {
		return waySingle, n
	}
	cost := p.perBatch[sizeClass(n)]
	switch {
	case cost == 0:
		return wayAtomic, n
	case p.toFirst == 0:
		return waySingle, min(n, sampleSize)
	}
	p.choices++
	batch, sample := cost < p.toFirst+p.perEvent*float64(n-1), p.choices%sampleEvery == 0
	if p.wins++; batch {
		p.wins = 0
	}
	switch {
	case batch && sample:
		return waySingle, min(n, sampleSize)
	case batch || sample:
		return wayAtomic, n
	}
	return waySingle, n
}

// endTrial says whether singles have won so often, one time after the other, that both ways were measured meanwhile.
// Then the next trial begins.
func (p *pace) endTrial() (singlesWon bool) {
	if p.wins < sampleEvery {
		return false
	}
	p.wins = 0
	return true
}

// learn takes in what publishing n events has cost: until the first was stored, and all of them.
func (p *pace) learn(w way, n int, first, took time.Duration) {
	switch {
	case n < batchFrom: // mostly the round trip
	case w == wayAtomic:
		smooth(&p.perBatch[sizeClass(n)], took.Seconds())
	default:
		smooth(&p.toFirst, first.Seconds())
		smooth(&p.perEvent, (took-first).Seconds()/float64(n-1))
	}
}

func smooth(mean *float64, value float64) {
	if *mean == 0 {
		*mean = value
		return
	}
	*mean += smoothing * (value - *mean)
}

// sizeClass is 0 for 16 to 31 events, and one more for each doubling.
func sizeClass(n int) int { return bits.Len(uint(n)) - bits.Len(batchFrom) } // #nosec G115 -- n is a length
