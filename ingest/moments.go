package ingest

import (
	"sync"
	"time"
)

// moments share timers among those who begin to wait at about the same time. A timer of each one's own would mostly be the
// earliest of all, and Go then wakes the thread that waits for the network, to have it wait less: some 6 % of what a
// request takes that comes alone.
type moments struct {
	after time.Duration

	mu   sync.Mutex
	over chan struct{}
	at   time.Time // when it is closed
}

// next returns a channel that is closed when the time, or seven eighths of it at the least, is over.
func (m *moments) next() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.at.Sub(now) < m.after-m.after/8 {
		over := make(chan struct{})
		time.AfterFunc(m.after, func() { close(over) })
		m.over, m.at = over, now.Add(m.after)
	}
	return m.over
}
