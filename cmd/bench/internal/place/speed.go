package place

import (
	"slices"
	"sort"
	"time"
)

const (
	// readEvery is how often a processor's speed is read: often enough for moments of some hundredths of a second, at a
	// hundredth of a processor's time.
	readEvery = 4 * time.Millisecond
	// slowFrom is how many times what is usual a reading takes where the processor is slow.
	slowFrom = 2
)

// Speedometer reads how fast the processors go, until it is stopped. Those of a machine that is shared, or hot, may go at a
// tenth of their speed for moments, which the system counts as busy time like any other.
type Speedometer struct {
	stop     chan struct{}
	readings chan []reading
}

// reading is how long the same work took.
type reading struct {
	at   time.Time
	took time.Duration
}

// ReadSpeed starts reading, at once.
func ReadSpeed() *Speedometer {
	s := &Speedometer{stop: make(chan struct{}), readings: make(chan []reading, 1)}
	go func() {
		var all []reading
		for {
			all = append(all, reading{time.Now(), work()})
			select {
			case <-s.stop:
				s.readings <- all
				return
			case <-time.After(readEvery):
			}
		}
	}()
	return s
}

// Stop ends it, and returns the times when the processors were slow.
func (s *Speedometer) Stop() Slow {
	close(s.stop)
	return slowTimes(<-s.readings)
}

// work does the same work three times and returns what it took at the least: others may have the processor meanwhile.
func work() time.Duration {
	const steps = 5000 // some ten microseconds
	least := time.Hour
	for range 3 {
		started := time.Now()
		x := uint64(started.UnixNano()) | 1
		for range steps {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		if took := time.Since(started); x != 0 { // which it never is: the work is not left out
			least = min(least, took)
		}
	}
	return least
}

// Slow is when the processors were slow.
type Slow struct {
	Share float64 // of the time, from 0 to 1
	times []time.Time
}

func slowTimes(all []reading) Slow {
	if len(all) == 0 {
		return Slow{}
	}
	sorted := slices.SortedFunc(slices.Values(all), func(a, b reading) int { return int(a.took - b.took) })
	usual := sorted[len(sorted)/2].took
	var s Slow
	for _, r := range all {
		if r.took > slowFrom*usual {
			s.times = append(s.times, r.at)
		}
	}
	s.Share = float64(len(s.times)) / float64(len(all))
	return s
}

// During says whether they were at any time from one to another.
func (s Slow) During(from, to time.Time) bool {
	next := sort.Search(len(s.times), func(i int) bool { return !s.times[i].Before(from) })
	return next < len(s.times) && !s.times[next].After(to)
}
