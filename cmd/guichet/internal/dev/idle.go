package dev

import (
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// What the worker's cleanup says, by the beginnings of its lines. One worker runs here, so its runs do not overlap.
const (
	cleanupStarts     = "🧹 "
	cleanupFinds      = "🗑️ "
	cleanupFindsNone  = "🗑️ Found 0 "
	cleanupEndsAtOnce = "✅ Cleanup completed: 0/0 "
)

// idle is a core that leaves out the cleanups that found nothing: here one comes every second, and a person
// watches. The line that begins one is held back until it is known what it found.
type idle struct {
	zapcore.Core
	begun *begun
}

// begun is the line that is held back, if any.
type begun struct {
	mu    sync.Mutex
	write func() error
}

func withoutIdleCleanups(core zapcore.Core) zapcore.Core { return idle{core, &begun{}} }

func (i idle) With(fields []zap.Field) zapcore.Core { return idle{i.Core.With(fields), i.begun} }

func (i idle) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if i.Enabled(e.Level) {
		return checked.AddCore(e, i)
	}
	return checked
}

func (i idle) Write(e zapcore.Entry, fields []zap.Field) error {
	i.begun.mu.Lock()
	defer i.begun.mu.Unlock()
	switch {
	case strings.HasPrefix(e.Message, cleanupStarts):
		i.begun.write = func() error { return i.Core.Write(e, fields) }
		return nil
	case strings.HasPrefix(e.Message, cleanupFindsNone), strings.HasPrefix(e.Message, cleanupEndsAtOnce):
		i.begun.write = nil
		return nil
	case strings.HasPrefix(e.Message, cleanupFinds) && i.begun.write != nil:
		if err := i.begun.write(); err != nil {
			return err
		}
		i.begun.write = nil
	}
	return i.Core.Write(e, fields)
}
