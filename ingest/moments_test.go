package ingest

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestThoseWhoBeginTogetherAreToldTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &moments{after: 8 * time.Second}
		began := time.Now()
		first := m.next()
		time.Sleep(time.Second)
		if m.next() != first {
			t.Error("after an eighth of the time another moment is told")
		}
		time.Sleep(time.Millisecond)
		second := m.next()
		if second == first {
			t.Error("the time is shorter than seven eighths")
		}
		<-first
		if took := time.Since(began); took != m.after {
			t.Errorf("the first was told after %s", took)
		}
		<-second
		if took := time.Since(began); took != m.after+time.Second+time.Millisecond {
			t.Errorf("the second was told after %s", took)
		}
		if third := m.next(); third == second {
			t.Error("a moment that is over is told again")
		} else {
			<-third
		}
	})
}
