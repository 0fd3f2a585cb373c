package place

import (
	"testing"
	"time"
)

func TestSlowIsWhatTakesTwiceTheUsualTime(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(n int) time.Time { return start.Add(time.Duration(n) * readEvery) }
	var all []reading
	for n := range 10 {
		all = append(all, reading{at(n), 10})
	}
	all[3].took, all[4].took, all[7].took = 21, 100, 20
	slow := slowTimes(all)
	if slow.Share != 0.2 {
		t.Errorf("%g of the time is slow", slow.Share)
	}
	for _, c := range []struct {
		from, to int
		want     bool
	}{{0, 2, false}, {0, 3, true}, {4, 9, true}, {5, 9, false}, {9, 20, false}} {
		if got := slow.During(at(c.from), at(c.to)); got != c.want {
			t.Errorf("from %d to %d: %t", c.from, c.to, got)
		}
	}
	if slow := slowTimes(nil); slow.Share != 0 || slow.During(start, at(9)) {
		t.Errorf("nothing read gives %+v", slow)
	}
}

func TestASpeedometerReadsUntilItIsStopped(t *testing.T) {
	t.Parallel()
	s := ReadSpeed()
	close(s.stop)
	all := <-s.readings
	if len(all) == 0 {
		t.Fatal("nothing was read")
	}
	for _, r := range all {
		if r.took <= 0 || r.took > time.Minute {
			t.Errorf("the work took %s", r.took)
		}
	}
}
