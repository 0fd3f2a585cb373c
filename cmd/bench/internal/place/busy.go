package place

import (
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Busy is how much processor time the machine has given so far: in all, and to us with all that we have started. It
// tells how far others were in the way.
type Busy struct {
	at         time.Time
	total, own time.Duration
}

// Busy reads it. What we have started counts once it has ended; only PostgreSQL may still run.
func (p *Place) Busy() Busy {
	b := Busy{at: time.Now(), total: machineBusy()}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err == nil {
			b.own += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	if p.postgres != nil {
		used, err := p.postgres.CPU()
		if err == nil {
			b.own += used
		}
	}
	return b
}

// OthersSince is the share of the machine, from 0 to 1, that others have had since an earlier reading.
func (b Busy) OthersSince(before Busy, cpus int) float64 {
	all := b.at.Sub(before.at) * time.Duration(cpus)
	others := (b.total - before.total) - (b.own - before.own)
	return max(0, float64(others)/float64(max(all, 1)))
}

// machineBusy is the time that the processors did not idle; a virtual machine's stolen time is not idle.
func machineBusy() time.Duration {
	fields := strings.Fields(firstLine("/proc/stat")) // cpu user nice system idle iowait irq softirq steal …
	const idle, iowait, last = 4, 5, 8
	var sum int64
	for i := 1; i < len(fields) && i <= last; i++ {
		if n, err := strconv.ParseInt(fields[i], 10, 64); err == nil && i != idle && i != iowait {
			sum += n
		}
	}
	return time.Duration(sum) * tick
}
