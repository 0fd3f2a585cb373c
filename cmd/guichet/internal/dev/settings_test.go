package dev

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/settings"
)

func load(t *testing.T, env map[string]string) Settings {
	t.Helper()
	s, err := Load("/data", settings.Source{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLoad_SuitsADeveloperWhereNothingIsSet(t *testing.T) {
	t.Parallel()
	s := load(t, nil)
	if s.given != (given{}) || s.Worker.Mail.Mailbox != "/data/mailbox" || s.Worker.ActionRequiredDelay != 0 || s.Worker.CleanupInterval != time.Second || s.Worker.Mail.Admin == "" ||
		s.Ingester.Logging.Format != "console" || !s.brief {
		t.Errorf("%+v", s)
	}
}

func TestLoad_TakesWhatTheEnvironmentBringsInAnyForm(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "database_url")
	if err := os.WriteFile(file, []byte("postgres://me@here/d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := load(t, map[string]string{
		"NATS_URL": "nats://there", "DATABASE_URL_FILE": file, "STRIPE_WEBHOOK_SECRET": "whsec_new, whsec_old",
		"SMTP_URL": "smtp://localhost", "MAIL_FROM": "us@example.org", "LISTEN_ADDR": ":1", "ADMIN_ADDR": ":2", "LOG_FORMAT": "json",
		"FAILED_HOLD": "1h", "CLEANUP_INTERVAL": "3m", "RETRY_URL": "https://example.org/pay",
	})
	want := given{Listen: ":1", Admin: ":2", NATS: "nats://there", Database: "postgres://me@here/d", Secret: "whsec_new, whsec_old", SMTP: "smtp://localhost"}
	if s.given != want || s.Worker.Database.URL != want.Database || s.Worker.NATS.URL != want.NATS || s.Ingester.NATS.URL != want.NATS ||
		s.Ingester.WebhookSecret != want.Secret || s.Worker.Mail.URL != want.SMTP || s.Worker.Mail.Mailbox != "" || s.brief ||
		s.Worker.FailedHold.Hours() != 1 || s.Worker.CleanupInterval.Minutes() != 3 || s.Worker.Mail.RetryURL != "https://example.org/pay" {
		t.Errorf("%+v", s)
	}
	if got := FirstSecret(s.given.Secret); got != "whsec_new" {
		t.Errorf("it signs with %q", got)
	}
}

func TestLoad_IsDevelopmentWhateverTheEnvironmentSays(t *testing.T) {
	t.Parallel()
	if s := load(t, map[string]string{"GUICHET_ENV": settings.Production}); s.Worker.Logging.Environment != "development" {
		t.Error("it would ignore the events of this machine")
	}
}

func TestLoad_NamesEveryWrongSettingOnce(t *testing.T) {
	t.Parallel()
	_, err := Load("/data", settings.Source{Env: map[string]string{"LOG_LEVEL": "loud", "FAILED_HOLD": "-1h", "MAX_BODY_BYTES": "x", "STREAM_REPLICAS": "2"}})
	for _, name := range []string{"LOG_LEVEL", "FAILED_HOLD", "MAX_BODY_BYTES", "STREAM_REPLICAS"} {
		if err == nil || strings.Count(err.Error(), name) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReachable_IsAnAddressForAClient(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8080", "[::]:8080": "127.0.0.1:8080", "0.0.0.0:1": "127.0.0.1:1", "[::1]:1": "[::1]:1", "192.0.2.1:1": "192.0.2.1:1",
	} {
		if got := reachable(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}
