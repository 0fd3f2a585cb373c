package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// progressAfter is from when on a command shows that it is getting on.
	progressAfter = 2 * time.Second
	progressEvery = 200 * time.Millisecond
	barWidth      = 24
)

// progress is a line on a terminal that shows how far a command has come, how fast, and how long it will take.
// It shows itself after two seconds, and nothing where there is no terminal. It is safe for concurrent use.
type progress struct {
	out   io.Writer // nil shows nothing
	what  string    // is counted: "events"
	now   func() time.Time
	mu    sync.Mutex
	begun time.Time
	shown time.Time
}

// progress begins a line about what is counted.
func (s surroundings) progress(what string) *progress {
	p := &progress{what: what, now: time.Now}
	if s.Interactive {
		p.out = s.Stderr
	}
	p.begun = p.now()
	return p
}

// at shows that done of total are done; a total of 0 is not known.
func (p *progress) at(done, total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.out == nil || now.Sub(p.begun) < progressAfter || now.Sub(p.shown) < progressEvery {
		return
	}
	p.shown = now
	rate := float64(done) / now.Sub(p.begun).Seconds()
	line := fmt.Sprintf("%d %s, %.0f/s", done, p.what, rate)
	if total > 0 && rate > 0 {
		full := int(barWidth * min(done, total) / total) // #nosec G115 -- at most barWidth
		left := time.Duration(float64(total-min(done, total)) / rate * float64(time.Second)).Round(time.Second)
		line = fmt.Sprintf("[%-*s] %d of %d %s, %.0f/s, %s left", barWidth, bar[:full], done, total, p.what, rate, left)
	}
	_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s", line)
}

const bar = "========================"

// end takes the line away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out != nil && !p.shown.IsZero() {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
	p.out = nil
}
