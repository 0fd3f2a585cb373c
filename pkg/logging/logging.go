// Package logging builds the zap logger of a program.
//
// Messages are the lines of the operators' guide, exactly; what varies beside them is a field. No payload,
// address or secret is ever logged.
package logging

import (
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Field names that every program uses for the same thing.
const (
	EventID        = "event_id"
	EventType      = "event_type"
	RegistrationID = "registration_id"
	Sequence       = "stream_sequence"
	Attempt        = "attempt"
	Duration       = "duration"
)

// New returns a logger that writes lines to w: JSON for format "json", text for people for "console".
func New(w io.Writer, level, format string) (*zap.Logger, error) {
	lvl, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	config := zap.NewProductionEncoderConfig()
	config.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	config.EncodeDuration = func(d time.Duration, enc zapcore.PrimitiveArrayEncoder) { enc.AppendString(d.String()) }
	config.TimeKey, config.MessageKey = "time", "message"
	var encoder zapcore.Encoder
	switch format {
	case "json":
		encoder = zapcore.NewJSONEncoder(config)
	case "console":
		config.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		config.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(config)
	default:
		return nil, fmt.Errorf("log format %q is neither json nor console", format)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), lvl)), nil
}
