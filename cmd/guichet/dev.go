package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/educareschool/guichet/cmd/guichet/internal/demo"
	"github.com/educareschool/guichet/cmd/guichet/internal/dev"
	"github.com/educareschool/guichet/pkg/localpg"
)

type devCommand struct {
	Listen string `help:"Address of the webhooks; a port of 0 picks a free one. Else 127.0.0.1:8080, or a free port where that is taken." placeholder:"HOST:PORT"`
	Demo   bool   `negatable:"" default:"true" help:"Play the guide's cases once everything runs (default: yes)."`
}

// Help shows examples.
func (devCommand) Help() string {
	return `It starts a NATS server, a private PostgreSQL, the ingester and the worker, keeps all their data in one folder
(--data), plays the guide's cases, and serves until Ctrl-C. Started again, it goes on with the same data.
NATS_URL, DATABASE_URL and SMTP_URL, where they are set, are used instead of its own; the services' other
settings (ingester --help, worker --help) are taken from the environment too.

    guichet dev
    guichet dev --data /tmp/guichet --listen 127.0.0.1:0 --no-demo`
}

// Run starts the stack and keeps it running until ctx ends.
func (c devCommand) Run(ctx context.Context, g globals, s surroundings) error {
	options := dev.Options{Dir: g.Data, Listen: c.Listen, Source: s.Settings, Progress: s.Stdout, Logs: s.Stdout}
	err := dev.Run(ctx, options, func(ctx context.Context, at dev.Address) error {
		if !c.Demo {
			return usage(s.Stdout, at, "")
		}
		_, _ = fmt.Fprintln(s.Stdout, "\nPlaying the guide's cases:")
		target := demo.Target{WebhookURL: at.URL + webhookPath, WebhookSecret: at.WebhookSecret, DatabaseURL: at.DatabaseURL}
		report, err := demo.Play(ctx, target, s.Stdout)
		if err != nil {
			return err
		}
		return errors.Join(printReport(s.Stdout, report), usage(s.Stdout, at, report.Registration))
	})
	if errors.Is(err, localpg.ErrNotInstalled) {
		return fmt.Errorf("%w\nOr point DATABASE_URL at a PostgreSQL that runs already", err)
	}
	if err == nil {
		_, _ = fmt.Fprintln(s.Stdout, "Everything has stopped; the data stay in", g.Data)
	}
	return err
}

func printReport(w io.Writer, r demo.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nCASE\tANSWERS\tSTATUS\tSEAT\tMAILS\tREGISTRATION")
	for _, o := range r.Outcomes {
		seat := "-"
		if o.Seat {
			seat = "held"
		}
		mails := o.Mails
		if mails == "" {
			mails = "-"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", o.Case, o.Answers, o.Status, seat, mails, o.Registration)
	}
	_, _ = fmt.Fprintln(table, "\nEVENT\tCAPACITY\tHELD\tREMAINING")
	for _, p := range r.Places {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", p.Title, p.Capacity, p.Held, p.Remaining)
	}
	return table.Flush()
}

// usage says how to go on by hand.
func usage(w io.Writer, at dev.Address, registration string) error {
	about := ""
	if registration != "" {
		about = " --registration " + registration
	}
	env := at.EnvFile
	if relative, err := filepath.Rel(".", env); err == nil && !strings.HasPrefix(relative, "..") {
		env = relative
	}
	mails := "by SMTP_URL"
	if at.Mailbox != "" {
		mails = "in " + at.Mailbox
	}
	_, err := fmt.Fprintf(w, `
Guichet is serving.
  Webhooks   %s
  Admin      %s/readyz?verbose, /metrics
  Mails      %s
  Settings   %s (addresses, secret)

Send one more event:
  bin/guichet trigger checkout.session.completed%s --data %s
or the same by hand:
  . %s
  body='{"id":"evt_hand_1","object":"event","type":"checkout.session.completed","created":'$(date +%%s)',"livemode":false,"data":{"object":{"id":"cs_hand_1","object":"checkout.session","mode":"payment","payment_status":"paid","payment_intent":"pi_hand_1","amount_total":4500,"currency":"eur","metadata":{"registrationId":%s}}}}'
  t=$(date +%%s)
  v1=$(printf '%%s.%%s' "$t" "$body" | openssl dgst -sha256 -hmac "$STRIPE_WEBHOOK_SECRET" | sed 's/^.* //')
  curl -i "$GUICHET_URL%s" -H "Stripe-Signature: t=$t,v1=$v1" --data-binary "$body"

Ctrl-C stops everything; the data stay.
`, at.URL+webhookPath, at.AdminURL, mails, env, about, filepath.Dir(env), dotSlash(env), strconv.Quote(registrationOr(registration)), webhookPath)
	return err
}

// dotSlash keeps a shell's "." from looking for the file on its PATH.
func dotSlash(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return "./" + path
}

func registrationOr(id string) string {
	if id == "" {
		return "reg-1"
	}
	return id
}
