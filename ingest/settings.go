package ingest

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/tracing"
)

// Settings are the ingester's environment variables.
type Settings struct {
	ListenAddr         string        `env:"LISTEN_ADDR" envDefault:":8080" help:"address that Stripe's webhooks come to; a port of 0 picks a free one"`
	AdminAddr          string        `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9090" help:"address of /livez, /readyz and /metrics; never a public one"`
	WebhookSecret      string        `env:"STRIPE_WEBHOOK_SECRET" secret:"true" help:"signing secrets (whsec_…), separated by commas or newlines; without one no signature is checked: development only"`
	SignatureTolerance time.Duration `env:"SIGNATURE_TOLERANCE" envDefault:"5m" help:"how far a signature's time may lie from now, in either direction"`
	MaxBodyBytes       int64         `env:"MAX_BODY_BYTES" envDefault:"1048576" help:"largest webhook body"`
	PublishTimeout     time.Duration `env:"PUBLISH_TIMEOUT" envDefault:"5s" help:"how long a request waits for its event to be on disk before it answers 503; Checkout itself waits 10s for the answer"`
	DrainDelay         time.Duration `env:"DRAIN_DELAY" envDefault:"0s" help:"how long webhooks are still taken after SIGTERM, while /readyz says no already: give a load balancer the time to notice"`
	ShutdownGrace      time.Duration `env:"SHUTDOWN_GRACE" envDefault:"20s" help:"how long requests in flight may take to finish after SIGTERM and DRAIN_DELAY"`

	NATS    settings.NATS
	Tracing tracing.Settings
	Logging settings.Logging
}

// Validate returns every setting that cannot work, joined.
func (s Settings) Validate() error {
	problems := []error{s.Logging.Validate(), s.Tracing.Validate(), s.validateSecrets()}
	if s.SignatureTolerance < time.Second {
		problems = append(problems, errors.New("SIGNATURE_TOLERANCE must be at least 1s: signatures carry whole seconds"))
	}
	if s.MaxBodyBytes <= 0 {
		problems = append(problems, errors.New("MAX_BODY_BYTES must be positive"))
	}
	if s.PublishTimeout <= 0 {
		problems = append(problems, errors.New("PUBLISH_TIMEOUT must be positive"))
	}
	if s.DrainDelay < 0 {
		problems = append(problems, errors.New("DRAIN_DELAY must not be negative"))
	}
	if s.ShutdownGrace < s.PublishTimeout {
		problems = append(problems, errors.New("SHUTDOWN_GRACE must be at least PUBLISH_TIMEOUT, so that what is in flight can finish"))
	}
	return errors.Join(problems...)
}

func (s Settings) validateSecrets() error {
	secrets := s.secrets()
	switch {
	case len(secrets) == 0 && s.WebhookSecret != "":
		return errors.New("STRIPE_WEBHOOK_SECRET is set but holds no secret: give it one, or unset it for development")
	case len(secrets) == 0 && s.Logging.Environment == settings.Production:
		return errors.New("STRIPE_WEBHOOK_SECRET is not set, and with GUICHET_ENV=production that would let anyone forge a payment: " +
			"set it to the endpoint's signing secret (whsec_…, shown by the Stripe Dashboard under Developers, Webhooks), " +
			"or name a file in STRIPE_WEBHOOK_SECRET_FILE, or create the Docker secret stripe_webhook_secret")
	}
	for i, secret := range secrets {
		for _, prefix := range []string{"sk_", "rk_", "pk_"} {
			if strings.HasPrefix(secret, prefix) {
				return fmt.Errorf("STRIPE_WEBHOOK_SECRET: secret %d begins with %s, so it is an API key; a signing secret begins with whsec_", i+1, prefix)
			}
		}
	}
	return nil
}

// secrets returns the signing secrets in the order given, none of them empty.
func (s Settings) secrets() []string {
	return strings.FieldsFunc(s.WebhookSecret, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}
