package dev

import (
	"cmp"
	"maps"
	"path/filepath"
	"strings"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/worker"
)

// Settings are those of everything that runs, and what the environment brings along.
type Settings struct {
	services
	given given
	// brief leaves out of the logs what a person who watches need not read: nobody chose a LOG_FORMAT.
	brief bool
}

type services struct {
	Ingester ingest.Settings
	Worker   worker.Settings
	Stream   stream.Config
}

// given is what is used instead of the stack's own, where it is set.
type given struct {
	Listen   string `env:"LISTEN_ADDR"`
	Admin    string `env:"ADMIN_ADDR"`
	NATS     string `env:"NATS_URL" secret:"true"`
	Database string `env:"DATABASE_URL" secret:"true"`
	Secret   string `env:"STRIPE_WEBHOOK_SECRET" secret:"true"`
	SMTP     string `env:"SMTP_URL" secret:"true"`
}

// Load reads the settings of a stack that keeps its data in dir; the error names all that are wrong.
func Load(dir string, from settings.Source) (Settings, error) {
	var s Settings
	if err := settings.Load(&s.given, from); err != nil {
		return s, err
	}
	env := maps.Clone(from.Env)
	if env == nil {
		env = map[string]string{}
	}
	s.brief = env["LOG_FORMAT"] == ""
	defaults := map[string]string{
		"LOG_FORMAT": "console", "ADMIN_EMAIL": "admin@example.com", "RETRY_URL": "https://tickets.example.com/registrations/{registration}/payment",
		"ACTION_REQUIRED_DELAY": "0s", "CLEANUP_INTERVAL": "1s", // nobody who watches likes to wait
	}
	if s.given.SMTP == "" {
		defaults["MAILBOX_DIR"] = filepath.Join(dir, "mailbox")
	}
	if s.given.Database == "" {
		defaults["DATABASE_URL"] = "postgres://" // known once it runs
	}
	for name, value := range defaults {
		env[name] = cmp.Or(env[name], value)
	}
	env["GUICHET_ENV"] = "development" // in production the test-mode events of this machine are ignored
	from.Env = env
	return s, settings.Load(&s.services, from)
}

// FirstSecret is one of a setting that may hold several: any of them verifies.
func FirstSecret(setting string) string {
	for _, secret := range strings.FieldsFunc(setting, func(r rune) bool { return r == ',' || r == '\n' }) {
		if secret = strings.TrimSpace(secret); secret != "" {
			return secret
		}
	}
	return ""
}
