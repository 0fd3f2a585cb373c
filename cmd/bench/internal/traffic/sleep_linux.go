package traffic

import (
	"syscall"
	"time"
)

// sleepUntil sleeps to within some tens of microseconds. time.Sleep would be up to a millisecond late: Go waits for the
// network meanwhile, which it does in whole milliseconds.
func sleepUntil(at time.Time) {
	for left := time.Until(at); left > 0; left = time.Until(at) { // a signal may end it early
		pause := syscall.NsecToTimespec(left.Nanoseconds())
		_ = syscall.Nanosleep(&pause, nil)
	}
}
