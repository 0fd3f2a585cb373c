package lookup

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// pauseAfterLimit is how long nothing is asked after a 429 that names no time.
	pauseAfterLimit = time.Second
	// longestPause is how much of a Retry-After is believed: one that speaks of days is some proxy's mistake.
	longestPause = 5 * time.Minute
)

// quiet is the time until which Stripe wants to be left alone.
type quiet struct{ until atomic.Int64 } // Unix nanoseconds

// left is how long that still is; 0 when it is over.
func (q *quiet) left(now time.Time) time.Duration {
	return max(0, time.Duration(q.until.Load()-now.UnixNano()))
}

// extend never shortens it.
func (q *quiet) extend(now time.Time, by time.Duration) {
	until := now.Add(by).UnixNano()
	for {
		old := q.until.Load()
		if old >= until || q.until.CompareAndSwap(old, until) {
			return
		}
	}
}

// retryAfter reads the header, which is a number of seconds or a date (RFC 9110, 10.2.3); 0 where there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		seconds = max(0, min(seconds, int(longestPause/time.Second)))
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, min(date.Sub(now), longestPause))
}
