package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/timeline"
)

// moment is a time on the command line: an age that counts back from now, such as 72h, 2d or 1w12h, or a date or
// time, in UTC where it names no zone.
type moment struct{ time.Time }

// whenHelp says what a moment may look like.
const whenHelp = "an age such as 72h or 2d, 2006-01-02, or 2006-01-02T15:04:05Z"

// longestAge keeps ages within what a duration can hold.
const longestAge = 100 * 365 * 24 * time.Hour

// UnmarshalText reads a moment as of now.
func (m *moment) UnmarshalText(text []byte) error {
	var err error
	m.Time, err = readMoment(string(text), time.Now())
	return err
}

func readMoment(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if age, err := readAge(text); err == nil {
		return now.Add(-age).UTC(), nil
	}
	for _, layout := range []string{
		time.RFC3339, time.DateOnly, time.DateTime, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: it should be %s", text, whenHelp)
}

// readAge reads a duration as Go writes it, with weeks and days before it.
func readAge(text string) (time.Duration, error) {
	var age time.Duration
	rest := text
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, found := strings.Cut(rest, unit.letter)
		n, err := strconv.ParseUint(number, 10, 16)
		if !found || err != nil {
			continue
		}
		age += min(time.Duration(n), 2*longestAge/unit.length) * unit.length // #nosec G115 -- 16 bits
		rest = after
	}
	if rest != "" || rest == text {
		smaller, err := time.ParseDuration(rest)
		if err != nil {
			return 0, err
		}
		if smaller < 0 {
			return 0, fmt.Errorf("%q is in the future", text)
		}
		age += min(smaller, longestAge)
	}
	if age > longestAge {
		return 0, fmt.Errorf("%q is too long ago", text)
	}
	return age, nil
}

// shown is a time as people are shown it, in UTC; "-" where there is none.
func shown(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateTime)
}

// short is a duration as people are shown it: its two greatest units.
func short(d time.Duration) string { return timeline.Span(d) }
