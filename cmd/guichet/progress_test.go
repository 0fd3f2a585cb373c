package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// clocked is a progress line on a terminal whose time the test moves.
func clocked(interactive bool) (*progress, *bytes.Buffer, func(time.Duration)) {
	var out bytes.Buffer
	p := surroundings{Stderr: &out, Interactive: interactive}.progress("events")
	now := p.begun
	p.now = func() time.Time { return now }
	return p, &out, func(d time.Duration) { now = now.Add(d) }
}

func TestProgressShowsRateAndRestOfWhatTakesLong(t *testing.T) {
	t.Parallel()
	p, out, pass := clocked(true)
	p.at(100, 1000)
	pass(1900 * time.Millisecond)
	p.at(190, 1000)
	if out.Len() > 0 {
		t.Errorf("it shows itself before two seconds: %q", out)
	}
	pass(600 * time.Millisecond)
	p.at(250, 1000)
	if got, want := out.String(), "\r\x1b[K[======                  ] 250 of 1000 events, 100/s, 8s left"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	out.Reset()
	pass(100 * time.Millisecond)
	p.at(260, 1000)
	if out.Len() > 0 {
		t.Errorf("it flickers: %q", out)
	}
	pass(100 * time.Millisecond)
	p.at(1200, 1000) // more than was thought
	if got := out.String(); !strings.Contains(got, "[========================] 1200 of 1000 events") || !strings.Contains(got, "0s left") {
		t.Errorf("got %q", got)
	}
	out.Reset()
	p.end()
	pass(time.Second)
	p.at(1300, 1000)
	if got := out.String(); got != "\r\x1b[K" {
		t.Errorf("it does not go away: %q", got)
	}
}

func TestProgressWithoutATotalShowsTheRate(t *testing.T) {
	t.Parallel()
	p, out, pass := clocked(true)
	pass(4 * time.Second)
	p.at(1000, 0)
	if got := out.String(); got != "\r\x1b[K1000 events, 250/s" {
		t.Errorf("got %q", got)
	}
}

func TestProgressIsForTerminalsAlone(t *testing.T) {
	t.Parallel()
	p, out, pass := clocked(false)
	pass(time.Hour)
	p.at(1, 2)
	p.end()
	if out.Len() > 0 {
		t.Errorf("it prints %q", out)
	}
}

func TestProgressThatNeverShowedItselfLeavesNothing(t *testing.T) {
	t.Parallel()
	p, out, _ := clocked(true)
	p.at(1, 2)
	p.end()
	p.end()
	if out.Len() > 0 {
		t.Errorf("it prints %q", out)
	}
}
