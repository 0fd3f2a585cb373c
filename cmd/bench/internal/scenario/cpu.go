package scenario

import (
	"fmt"
	"syscall"
	"time"

	"github.com/educareschool/guichet/cmd/bench/internal/report"
)

// meter is something whose processor time is known.
type meter struct {
	name string
	read func() (time.Duration, error)
}

// self is this program, which makes the load.
func self() meter {
	return meter{"load", func() (time.Duration, error) {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return 0, fmt.Errorf("CPU time: %w", err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
	}}
}

// metered runs work, and notes in the sample that it returns how much processor time an event has cost
// whom, in microseconds. Unlike a rate it hardly depends on what else the machine does.
func metered(meters []meter, work func() (sample report.Sample, events int, err error)) (report.Sample, error) {
	before := make([]time.Duration, len(meters))
	for i, m := range meters {
		var err error
		if before[i], err = m.read(); err != nil {
			return nil, err
		}
	}
	sample, events, err := work()
	if err != nil {
		return nil, err
	}
	for i, m := range meters {
		after, err := m.read()
		if err != nil {
			return nil, err
		}
		sample["cpu us "+m.name] = float64((after - before[i]).Microseconds()) / float64(max(events, 1))
	}
	return sample, nil
}
