package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/timeline"
)

type traceCommand struct {
	ID     string `arg:"" help:"Of a registration, a Checkout session, a payment intent, a charge, a dispute or an event." placeholder:"reg-…|cs_…|pi_…|ch_…|dp_…|evt_…"`
	Search bool   `help:"Look through the whole stream too, for events that name it and were ignored."`
}

// Help shows examples.
func (traceCommand) Help() string {
	return `One timeline of all that is known: what the platform did, each event with its delays, each change of the status
and why, each mail and what became of it, what a person was told and did; and at its end what the registration is, and
what is being waited for. It names nobody.

    guichet trace reg-1
    guichet trace cs_test_a1b2 --output json
    guichet trace reg-1 --search

What the database does not know is looked for among the events that are not processed yet and the dead letters, and at
last in the whole stream.

Exit code: 0 told, 1 nothing is known of the id, or NATS or PostgreSQL is away, 2 wrong settings.

Settings (environment): NATS_URL and DATABASE_URL, also as …_FILE or as Docker secrets.`
}

// traced is a trace as it is printed.
type traced struct {
	ID           string            `json:"id"`
	Registration *store.Registered `json:"registration,omitempty"`
	timeline.Account
	NATSAway string `json:"nats_away,omitempty"`
}

// Run tells the story of an id.
func (c traceCommand) Run(ctx context.Context, g globals, s surroundings) error {
	db, err := g.openStore(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	story, err := db.Story(ctx, c.ID)
	if err != nil {
		return err
	}
	tracer := tracing{id: c.ID, search: c.Search, db: db, progress: s.progress("events")}
	beyond, away := tracer.beyond(ctx, g, s, &story)
	tracer.progress.end()
	if away != nil {
		away = fmt.Errorf("what the stream holds beside this is not known: %w", away)
	}
	if !story.Known() && len(beyond.Unprocessed)+len(beyond.Dead)+len(beyond.Found) == 0 {
		return errors.Join(c.unknown(), away)
	}
	account, err := timeline.Tell(story, beyond, time.Now())
	if err != nil {
		return err
	}
	out := traced{ID: c.ID, Registration: story.Registration, Account: account, NATSAway: text(away)}
	return errors.Join(out.print(g, s.Stdout), away)
}

// unknown says what to check where an id is known nowhere.
func (c traceCommand) unknown() error {
	return fmt.Errorf(`%s is known neither to the database nor to the stream.
Does the platform put registrationId into the metadata when it makes the session, on the session and in
payment_intent_data? Does the registration's row exist under that very id? What did the platform log when it made the
session? Whether Stripe's events arrive at all is what "guichet status" and "guichet doctor" show`, c.ID)
}

// print writes a trace: for people the timeline, then the payments, then what is and what is waited for.
func (t traced) print(g globals, w io.Writer) error {
	if g.Output == "json" {
		return g.print(w, t, nil)
	}
	if _, err := fmt.Fprintln(w, t.Heading(t.ID, t.Registration)+"\n"); err != nil {
		return err
	}
	var rows [][]string
	for _, l := range t.Lines {
		rows = append(rows, []string{shown(l.At), string(l.Kind), l.Text})
		for _, note := range l.Notes {
			rows = append(rows, []string{"", "", "  " + note})
		}
	}
	if len(t.Payments) > 0 {
		rows = append(rows, []string{""}, []string{"PAYMENT", "STANDS", "AMOUNT", "SESSION", "CHARGE"})
		for _, p := range t.Payments {
			rows = append(rows, p.Row())
		}
	}
	rows = append(rows, []string{""}, []string{"Now", t.State})
	for i, what := range t.Waiting {
		title := ""
		if i == 0 {
			title = "Waiting for"
		}
		rows = append(rows, []string{title, what})
	}
	return g.print(w, t, rows)
}
