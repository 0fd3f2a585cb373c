package dev

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/educareschool/guichet/pkg/logging"
)

func TestBrief_KeepsTheMessageAndWhatItDoesNotSay(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := logging.New(&out, "info", "console")
	if err != nil {
		t.Fatal(err)
	}
	log = log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return brief{core} })).Named("worker")
	id := zap.String(logging.RegistrationID, "reg-1")
	for _, test := range []struct {
		message string
		fields  []zap.Field
		want    string
	}{
		{"✅ Payment confirmed for registration: reg-1", []zap.Field{id, zap.String(logging.EventID, "evt_1"), zap.Uint64(logging.Sequence, 7)}, "reg-1\n"},
		{"Mail sent", []zap.Field{id, zap.String("kind", "payment_failed"), zap.Int(logging.Attempt, 1)}, `{"registration_id": "reg-1", "kind": "payment_failed"}` + "\n"},
		{"Received", []zap.Field{zap.Bool("stored", true), zap.Bool("duplicate", false)}, "Received\n"},
		{"Received", []zap.Field{zap.Bool("duplicate", true)}, `{"duplicate": true}` + "\n"},
		{"A task failed", []zap.Field{zap.Error(errors.New("no"))}, `{"error": "no"}` + "\n"},
	} {
		out.Reset()
		log.Info(test.message, test.fields...)
		if got := out.String(); !strings.HasSuffix(got, test.want) || !strings.Contains(got, "\tworker\t"+test.message) {
			t.Errorf("%q, want it to end in %q", got, test.want)
		}
	}
	out.Reset()
	if log.Debug("no"); out.Len() > 0 {
		t.Errorf("%s", out.String())
	}
}
