package dev

import (
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/educareschool/guichet/pkg/logging"
)

// brief is a core that leaves out what a person who watches need not read: what the message says already,
// ids of events, and the addresses that the services have behind the stack's own.
type brief struct{ zapcore.Core }

func (b brief) With(fields []zap.Field) zapcore.Core { return brief{b.Core.With(fields)} }

func (b brief) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return checked.AddCore(e, b)
	}
	return checked
}

func (b brief) Write(e zapcore.Entry, fields []zap.Field) error {
	tedious := []string{logging.EventID, logging.EventType, logging.Sequence, logging.Attempt, logging.Duration, "traceparent", "stored", "listen", "admin"}
	return b.Core.Write(e, slices.DeleteFunc(slices.Clone(fields), func(f zap.Field) bool {
		return slices.Contains(tedious, f.Key) || f.Key == "duplicate" && f.Integer == 0 ||
			f.Type == zapcore.StringType && strings.Contains(e.Message, f.String)
	}))
}
