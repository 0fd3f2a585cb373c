package worker

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// held are the messages taken and not answered yet. JetStream's AckWait runs for all of them, those that
// wait for the batch before them too.
type held struct {
	log   *zap.Logger
	mu    sync.Mutex
	since map[*message]time.Time
}

func newHeld(log *zap.Logger) *held { return &held{log: log, since: map[*message]time.Time{}} }

func (h *held) add(m *message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.since[m] = time.Now()
}

func (h *held) release(batch []*message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range batch {
		delete(h.since, m)
	}
}

// oldest is when the longest known of the messages was received; the zero time where none says so.
func (h *held) oldest() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	var oldest time.Time
	for m := range h.since {
		if at := m.event.ReceivedAt; !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	return oldest
}

// keepAlive tells JetStream, every interval, that what is held for longer than that is still in work.
func (h *held) keepAlive(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			h.extend(now.Add(-interval / 2))
		}
	}
}

func (h *held) extend(before time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for m, since := range h.since {
		if since.After(before) {
			continue
		}
		if err := m.InProgress(); err != nil {
			h.log.Debug("Could not extend a message's time", zap.Error(err))
			return
		}
	}
}
