//go:build !linux

package traffic

import "time"

func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }
