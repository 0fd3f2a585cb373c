package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/educareschool/guichet/cmd/guichet/internal/demo"
	"github.com/educareschool/guichet/cmd/guichet/internal/dev"
	"github.com/educareschool/guichet/pkg/localpg"
	"github.com/educareschool/guichet/worker"
)

type devCommand struct {
	Listen string `help:"Address of the webhooks; a port of 0 picks a free one. Else 127.0.0.1:8080, or a free port where that is taken." placeholder:"HOST:PORT"`
	Demo   bool   `negatable:"" default:"true" help:"Play the guide's cases once everything runs (default: yes)."`
}

// Help shows examples.
func (devCommand) Help() string {
	return `It starts a NATS server, a private PostgreSQL, the ingester and the worker, keeps all their data in one folder
(--data), plays the guide's cases, and serves until Ctrl-C. Started again, it goes on with the same data.

    guichet dev
    guichet dev --data /tmp/guichet --listen 127.0.0.1:0 --no-demo

NATS_URL, DATABASE_URL and SMTP_URL, where they are set, are used instead of its own; the services' other
settings (ingester --help, worker --help) are taken from the environment too. LOG_FORMAT=console shows every
field of the logs, which are shortened otherwise.`
}

// Run starts the stack and keeps it running until ctx ends.
func (c devCommand) Run(ctx context.Context, g globals, s surroundings) error {
	set, err := dev.Load(g.Data, s.Settings)
	if err != nil {
		return usageError{err}
	}
	out := zapcore.Lock(zapcore.AddSync(s.Stdout)) // lines and tables stay whole between the logs
	options := dev.Options{Dir: g.Data, Listen: c.Listen, Settings: set, Progress: out}
	err = dev.Run(ctx, options, func(ctx context.Context, at dev.Address) error {
		if !c.Demo {
			return usage(out, s.Program, at, "")
		}
		_, _ = fmt.Fprintln(out, "\nPlaying the guide's cases:")
		target := demo.Target{WebhookURL: at.URL + webhookPath, WebhookSecret: at.WebhookSecret, DatabaseURL: at.DatabaseURL}
		var why string
		if target.Holds, why = holds(set.Worker); why != "" {
			_, _ = fmt.Fprintln(out, "  (without those of time that has passed: "+why+")")
		}
		report, err := demo.Play(ctx, target, out)
		if err != nil {
			return fmt.Errorf("the demo failed: %w\nThe log above says more; guichet dev --no-demo starts without it, on the same data", err)
		}
		return errors.Join(printReport(out, report), usage(out, s.Program, at, report.Registration))
	})
	switch {
	case errors.Is(err, localpg.ErrNotInstalled):
		return fmt.Errorf("%w\nOr point DATABASE_URL at a PostgreSQL that runs already", err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w\nAnother program listens there: choose another address with --listen, or ADMIN_ADDR; a port of 0 picks a free one", err)
	case err == nil:
		_, _ = fmt.Fprintln(out, "Everything has stopped; the data stay in", g.Data)
	}
	return err
}

// longestWait is the longest time between two cleanups for which the demo waits.
const longestWait = 10 * time.Second

// holds are the worker's for the demo, or why the cases that wait for its cleanup cannot be played.
func holds(s worker.Settings) (*demo.Holds, string) {
	switch {
	case s.Lookup.Enabled():
		return nil, "STRIPE_API_KEY is set, and Stripe knows none of these sessions"
	case s.CleanupInterval > longestWait:
		return nil, "CLEANUP_INTERVAL is " + s.CleanupInterval.String()
	}
	return &demo.Holds{Failed: s.FailedHold, ExpiryGrace: s.ExpiryGrace, PersonalData: s.Retention}, ""
}

func printReport(w io.Writer, r demo.Report) error {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nCASE\tANSWERS\tSTATUS\tSEAT\tMAILS\tREGISTRATION")
	for _, o := range r.Outcomes {
		seat := "-"
		if o.Seat {
			seat = "held"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", o.Case, cmp.Or(o.Answers, "-"), o.Status, seat, cmp.Or(o.Mails, "-"), o.Registration)
	}
	_, _ = fmt.Fprintln(table, "\nEVENT\tCAPACITY\tHELD\tREMAINING")
	for _, p := range r.Places {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", p.Title, p.Capacity, p.Held, p.Remaining)
	}
	_ = table.Flush() // to a buffer, which takes all
	_, err := w.Write(text.Bytes())
	return err
}

// usage says how to go on by hand, on a registration that is still pending, or else on one to be made.
func usage(w io.Writer, program string, at dev.Address, registration string) error {
	mails := "by SMTP_URL"
	if at.Mailbox != "" {
		mails = "in " + at.Mailbox
	}
	if strings.Contains(program, "/") { // it works from any folder
		if absolute, err := filepath.Abs(program); err == nil {
			program = absolute
		}
	}
	env, data := dev.Quote(at.EnvFile), dev.Quote(filepath.Dir(at.EnvFile))
	var first string
	if registration == "" {
		registration = "reg-1"
		first = `
Make a registration, as the platform does:
  . ` + env + `
  psql "$DATABASE_URL" -c "INSERT INTO events (id, title, capacity) VALUES ('evt-1', 'Atelier Go', 12)" \
    -c "INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'evt-1', 'someone@example.com')"
`
	}
	_, err := fmt.Fprintf(w, `
Guichet is serving.
  Webhooks   %s
  Admin      %s/readyz?verbose, /metrics
  Mails      %s
  Settings   %s (addresses, secret, password)
%s
Send one more event, from another terminal:
  %s trigger checkout.session.completed --registration %s --data %s
or the same by hand:
  . %s
  t=$(date +%%s)
  body='{"id":"evt_hand_'$t'","object":"event","type":"checkout.session.completed","created":'$t',"livemode":false,"data":{"object":{"id":"cs_hand_'$t'","object":"checkout.session","mode":"payment","payment_status":"paid","payment_intent":"pi_hand_'$t'","amount_total":4500,"currency":"eur","metadata":{"registrationId":%s}}}}'
  v1=$(printf '%%s.%%s' "$t" "$body" | openssl dgst -sha256 -hmac "$STRIPE_WEBHOOK_SECRET" | sed 's/^.* //')
  curl -i "$GUICHET_URL%s" -H "Stripe-Signature: t=$t,v1=$v1" --data-binary "$body"
and see what came of it:
  %s trace %s --data %s

Ctrl-C stops everything; the data stay.
`, at.URL+webhookPath, at.AdminURL, mails, at.EnvFile, first,
		dev.Quote(program), registration, data, env, strconv.Quote(registration), webhookPath, dev.Quote(program), registration, data)
	return err
}
