// Package worker consumes the event stream and settles registrations. An event's way: consume takes a batch,
// decodes it, has the store settle it in one transaction, and acknowledges it after the commit. Beside that
// run the sweeper (rows that the platform changed), the cleanup (deadlines) and the outbox (mails).
package worker

import (
	"errors"
	"fmt"
	"time"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
	"github.com/educareschool/guichet/pkg/tracing"
)

// maxMetricsEvents bounds how many series the metrics have.
const maxMetricsEvents = 200

// Settings are the worker's environment variables.
type Settings struct {
	AdminAddr string `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9091" help:"where probes and metrics are served; keep it off the public network"`
	NATS      settings.NATS
	Database  settings.Database

	Accounts []string `env:"STRIPE_ACCOUNTS" help:"Connect accounts whose events count, separated by commas; * for all; other accounts' events are recorded and ignored"`

	FailedHold          time.Duration `env:"FAILED_HOLD" envDefault:"24h" help:"how long a failed payment keeps its place"`
	PendingHold         time.Duration `env:"PENDING_HOLD" envDefault:"24h" help:"how long a place is held for a session whose expiry is not known; 0 for ever"`
	ExpiryGrace         time.Duration `env:"EXPIRY_GRACE" envDefault:"1h" help:"how long after a session's expiry its place is released, if Stripe has not said so itself"`
	CleanupInterval     time.Duration `env:"CLEANUP_INTERVAL" envDefault:"5m" help:"how often places past their deadline are looked for"`
	Retention           time.Duration `env:"PERSONAL_DATA_RETENTION" envDefault:"720h" help:"how long after its removal a registration's name and address are kept"`
	ReconcileInterval   time.Duration `env:"RECONCILE_INTERVAL" envDefault:"15m" help:"how often Stripe is asked for events that it could not deliver and for the sessions of registrations that stay pending; with STRIPE_API_KEY only; 0 for never"`
	SilenceAlarm        SilenceAlarm  `env:"SILENCE_ALARM" envDefault:"auto" help:"after how long without an event the admin is told: auto is twice the longest gap of an ordinary week, off is never, or a duration such as 6h"`
	SweepInterval       time.Duration `env:"SWEEP_INTERVAL" envDefault:"1s" help:"how often registrations that the platform changed are looked for"`
	ActionRequiredDelay time.Duration `env:"ACTION_REQUIRED_DELAY" envDefault:"5m" help:"how long the mail about a required action waits; 3-D Secure usually ends on the page"`
	ShutdownGrace       time.Duration `env:"SHUTDOWN_GRACE" envDefault:"20s" help:"how long work in hand may take at a stop"`

	Lookup   lookup.Settings
	Mail     mail.Settings
	MailRate int `env:"MAIL_RATE" envDefault:"0" help:"mails a minute that this worker sends at the most; 0 for no limit"`

	MetricsEvents int `env:"METRICS_EVENTS" envDefault:"20" help:"how many events' places the metrics tell of: the fullest among the next and the newest"`

	Tracing tracing.Settings
	Logging settings.Logging
}

// Validate names the durations that make no sense.
func (s Settings) Validate() error {
	var problems []error
	for _, d := range []struct {
		name     string
		value    time.Duration
		zeroFine bool
	}{
		{"FAILED_HOLD", s.FailedHold, true},
		{"PENDING_HOLD", s.PendingHold, true},
		{"EXPIRY_GRACE", s.ExpiryGrace, true},
		{"ACTION_REQUIRED_DELAY", s.ActionRequiredDelay, true},
		{"RECONCILE_INTERVAL", s.ReconcileInterval, true},
		{"PERSONAL_DATA_RETENTION", s.Retention, false},
		{"CLEANUP_INTERVAL", s.CleanupInterval, false},
		{"SWEEP_INTERVAL", s.SweepInterval, false},
		{"SHUTDOWN_GRACE", s.ShutdownGrace, false},
	} {
		switch {
		case d.value < 0:
			problems = append(problems, errors.New(d.name+" must not be negative"))
		case d.value == 0 && !d.zeroFine:
			problems = append(problems, errors.New(d.name+" must be positive"))
		}
	}
	if s.MailRate < 0 {
		problems = append(problems, errors.New("MAIL_RATE must not be negative"))
	}
	if s.MetricsEvents < 0 || s.MetricsEvents > maxMetricsEvents {
		problems = append(problems, fmt.Errorf("METRICS_EVENTS must be from 0 to %d", maxMetricsEvents))
	}
	return errors.Join(append(problems, s.Lookup.Validate(), s.Mail.Validate(), s.Tracing.Validate(), s.Logging.Validate())...)
}

// Store says how a store settles as this worker does.
func (s Settings) Store() store.Options {
	return store.Options{Policy: s.policy(), ActionRequiredDelay: s.ActionRequiredDelay}
}

// Filter says which events count for this worker.
func (s Settings) Filter() stripeevent.Filter {
	return stripeevent.Filter{Accounts: s.Accounts, LiveOnly: s.Logging.Environment == settings.Production}
}

func (s Settings) policy() registration.Policy {
	return registration.Policy{FailedHold: s.FailedHold, PendingHold: s.PendingHold, ExpiryGrace: s.ExpiryGrace}
}
