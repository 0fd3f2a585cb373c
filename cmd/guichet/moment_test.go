package main

import (
	"strings"
	"testing"
	"time"
)

func TestAMomentIsAnAgeADateOrATime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"72h":                       now.Add(-72 * time.Hour),
		"2d":                        now.Add(-48 * time.Hour),
		"1w":                        now.Add(-7 * 24 * time.Hour),
		"1w1d1h30m":                 now.Add(-8*24*time.Hour - 90*time.Minute),
		" 90s ":                     now.Add(-90 * time.Second),
		"0s":                        now,
		"2026-03-09":                time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC),
		"2026-03-09 10:30":          time.Date(2026, 3, 9, 10, 30, 0, 0, time.UTC),
		"2026-03-09 10:30:05":       time.Date(2026, 3, 9, 10, 30, 5, 0, time.UTC),
		"2026-03-09T10:30":          time.Date(2026, 3, 9, 10, 30, 0, 0, time.UTC),
		"2026-03-09T10:30:05":       time.Date(2026, 3, 9, 10, 30, 5, 0, time.UTC),
		"2026-03-09T10:30:05Z":      time.Date(2026, 3, 9, 10, 30, 5, 0, time.UTC),
		"2026-03-09T10:30:05.25Z":   time.Date(2026, 3, 9, 10, 30, 5, 25e7, time.UTC),
		"2026-03-09T10:30:05+01:00": time.Date(2026, 3, 9, 9, 30, 5, 0, time.UTC),
	} {
		if got, err := readMoment(text, now); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%q is %s (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-3h", "3", "d", "3x", "2026-13-01", "1e9d", "65535w", "99999d", "2d2d", "1d1w"} {
		if got, err := readMoment(text, now); err == nil || !strings.Contains(err.Error(), "72h") {
			t.Errorf("%q is %s (%v)", text, got, err)
		}
	}
}

func TestAMomentOnTheCommandLineCountsBackFromNow(t *testing.T) {
	t.Parallel()
	var m moment
	if err := m.UnmarshalText([]byte("1h")); err != nil || time.Since(m.Time) < time.Hour || time.Since(m.Time) > 2*time.Hour {
		t.Errorf("an hour ago is %s (%v)", m.Time, err)
	}
}

func TestDurationsAreShownInTheirTwoGreatestUnits(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0ms", 40 * time.Millisecond: "40ms", time.Second: "1s", 2550 * time.Millisecond: "2.5s", 9999 * time.Millisecond: "9.9s",
		59*time.Second + 999*time.Millisecond: "59s", time.Minute: "1m", 200 * time.Second: "3m20s", time.Hour: "1h",
		25*time.Hour - time.Second: "1d", 24*time.Hour - time.Second: "23h59m", 76 * time.Hour: "3d4h", -90 * time.Second: "-1m30s",
	} {
		if got := short(d); got != want {
			t.Errorf("%s is shown as %s, want %s", d, got, want)
		}
	}
	at := time.Date(2026, 3, 10, 13, 0, 0, 0, time.FixedZone("", 3600))
	if got := shown(at); got != "2026-03-10 12:00:00" {
		t.Errorf("got %s", got)
	}
	if got := shown(time.Time{}); got != "-" {
		t.Errorf("got %s", got)
	}
}
