package main

import (
	"strings"
	"testing"
	"time"
)

// FuzzMoment looks for times on the command line that make reading them panic, or that lie where no event can.
func FuzzMoment(f *testing.F) {
	for _, text := range []string{"72h", "2d", "1w12h", "2026-01-02", "2026-01-02T15:04:05+01:00", "99999w", "-1h", "1e9h", "d", "1d1d", "\x00"} {
		f.Add(text)
	}
	now := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := readMoment(text, now)
		if err != nil {
			return
		}
		if at.Location() != time.UTC {
			t.Errorf("%q is %s, not in UTC", text, at)
		}
		if age, err := readAge(strings.TrimSpace(text)); err == nil && (age < 0 || age > longestAge || !at.Equal(now.Add(-age))) {
			t.Errorf("%q is an age of %s, and %s", text, age, at)
		}
	})
}
