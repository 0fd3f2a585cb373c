package dev

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/educareschool/guichet/pkg/logging"
)

func TestIdle_ShowsACleanupOnlyIfItFoundSomething(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := logging.New(&out, "info", "console")
	if err != nil {
		t.Fatal(err)
	}
	log = log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return withoutIdleCleanups(brief{core}) })).Named("worker")
	start := func() { log.With(zap.String("run", "x")).Info("🧹 Starting cleanup of expired Stripe sessions...") }
	for range 3 {
		start()
		log.Info("🗑️ Found 0 expired Stripe sessions to cleanup")
		log.Info("✅ Cleanup completed: 0/0 registrations cleaned")
	}
	if out.Len() > 0 {
		t.Errorf("of cleanups that found nothing it shows %s", out.String())
	}
	start()
	log.Info("Mail sent")
	log.Info("🗑️ Found 20 expired Stripe sessions to cleanup")
	log.Info("✅ Cleanup completed: 0/20 registrations cleaned")
	log.Info("✅ Payment confirmed for registration: reg-1")
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Fields(line)[3])
	}
	if want := "Mail 🧹 🗑️ ✅ ✅"; strings.Join(got, " ") != want {
		t.Errorf("it shows %q, want %q:\n%s", got, want, out.String())
	}
}
