package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/educareschool/guichet/cmd/guichet/internal/doctor"
	"github.com/educareschool/guichet/pkg/logging"
)

type doctorCommand struct {
	URL     string `help:"Where Stripe sends webhooks to; else GUICHET_URL, from the environment or 'guichet dev'." placeholder:"URL"`
	Monitor string `help:"Address of nats-server's monitoring, to see whether every write is synced." placeholder:"http://host:8222"`
}

// doctorSettings are read beside those of the services.
type doctorSettings struct {
	URL string `env:"GUICHET_URL" help:"where Stripe sends webhooks to"`
}

// Help shows an example.
func (doctorCommand) Help() string {
	return `It looks at everything that Guichet stands on, with the settings that the services are given, and changes nothing:
settings and the form of the secrets; PostgreSQL, its clock and schema; NATS, streams and consumer; the SMTP server,
which is greeted and sent no mail; Stripe's clock and what the key may read; and the webhook endpoint: that the
ingester answers there and knows the secret, and that Stripe has it enabled and subscribed, once. To see the last,
a restricted key must be allowed to read Webhook Endpoints.

    guichet doctor --url https://billets.example.org/stripe/webhooks
    guichet doctor --monitor http://nats:8222 --output json

Exit code: 0 no failure, 1 a failure, 2 a mistake in the arguments.

Settings (environment): those of the ingester, the worker and of 'guichet setup'; secrets also as files or as Docker
secrets. No secret is ever printed.`
}

// Run examines.
func (c doctorCommand) Run(ctx context.Context, g globals, s surroundings) error {
	var set doctorSettings
	if err := g.load(s, &set); err != nil {
		return err
	}
	source, err := g.settingsWithDev(s.Settings)
	if err != nil {
		return err
	}
	log, err := logging.New(s.Stderr, "error", "console")
	if err != nil {
		return err
	}
	found := doctor.Examine(ctx, doctor.Options{
		Settings: source, URL: cmp.Or(c.URL, set.URL), Monitor: c.Monitor, Log: log, Now: time.Now,
	})
	failures := 0
	rows := [][]string{{"", "CHECK", "FOUND"}}
	for _, f := range found {
		if f.Level == doctor.Failure {
			failures++
		}
		rows = append(rows, []string{string(f.Level), f.Check, f.Detail})
		if f.Do != "" {
			rows = append(rows, []string{"", "", "→ " + f.Do})
		}
	}
	if err := g.print(s.Stdout, found, rows); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("not all was looked at: %w", err)
	}
	if failures > 0 {
		return fmt.Errorf("%s", count(failures, "failure"))
	}
	return nil
}
