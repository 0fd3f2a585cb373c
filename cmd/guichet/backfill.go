package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/educareschool/guichet/pkg/backfill"
	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/worker"
)

type backfillCommand struct {
	Since moment `default:"72h" help:"Made at or after: an age such as 72h or 2d, a date, or a time; at most 30 days ago (default ${default})." placeholder:"WHEN"`
	All   bool   `help:"Look also at what Stripe says it delivered: for an endpoint that was deleted or disabled, or a stream that was lost."`
	Apply bool   `help:"Bring what is missing into the stream."`
	Limit int    `default:"200" help:"Most events to show (default ${default}); all are counted, and brought in." placeholder:"N"`
	consent
}

// Help shows an example.
func (backfillCommand) Help() string {
	return `It asks Stripe for the events that it could not deliver, of the types that Guichet handles, and shows those that
are stored nowhere. With --apply it puts them into the stream as the ingester would have done, the oldest first;
the workers then settle them. It can be run again at any time: what comes twice is settled once. The workers do
the same by themselves every RECONCILE_INTERVAL.

    guichet backfill --since 72h
    guichet backfill --since 72h --apply
    guichet backfill --since 2026-03-01 --all --apply --yes --by "Ada"

Exit code: 0 all was read, and brought in if so told; 1 something could not be.

Settings (environment): STRIPE_API_KEY, STRIPE_ACCOUNTS, NATS_URL, DATABASE_URL; secrets also as files or as Docker
secrets. A restricted key must be allowed to read Events.`
}

// backfilled is what the command tells.
type backfilled struct {
	backfill.Query
	Applied bool `json:"applied"`
	backfill.Result
	Events []backfill.Event `json:"events"` // the first of those that were missing
}

// Run looks, and brings in what is missing if so told.
func (c backfillCommand) Run(ctx context.Context, g globals, s surroundings) error {
	var config worker.Settings
	if err := g.load(s, &config); err != nil {
		return err
	}
	const slack = time.Hour
	switch {
	case !config.Lookup.Enabled():
		return usageError{errors.New("STRIPE_API_KEY is not set: Stripe cannot be asked")}
	case time.Since(c.Since.Time) > lookup.EventsListed+slack:
		return usageError{errors.New("--since is too long ago: Stripe lists the events of the last 30 days")}
	case time.Until(c.Since.Time) > 0:
		return usageError{errors.New("--since is in the future")}
	}
	ask, err := lookup.New(config.Lookup, lookup.Options{})
	if err != nil {
		return err
	}
	defer ask.Close()
	conn, js, err := g.dialStream(ctx, s)
	if err != nil {
		return err
	}
	defer conn.Close()
	db, err := g.openStore(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	b := backfill.Backfill{Stripe: ask, Store: db, JS: js, Accounts: config.Accounts}
	if b.Elsewhere, err = backfill.Unsettled(ctx, js); err != nil {
		return err
	}
	if slices.Contains(config.Accounts, "*") {
		_, _ = fmt.Fprintln(s.Stderr, "STRIPE_ACCOUNTS=* names no connected account to ask for: theirs are left out.")
	}

	told := backfilled{Query: backfill.Query{Since: c.Since.Time, All: c.All}, Applied: c.Apply, Events: []backfill.Event{}}
	if !c.Apply || !c.Yes {
		told.Result, told.Events, err = c.watched(s, b, func(b backfill.Backfill) (backfill.Result, error) { return b.Look(ctx, told.Query) })
		if err == nil && c.Apply && told.Missing > 0 {
			err = c.ask(s, told.sentence()+" They are put into the stream, to be settled.")
		}
	}
	if err == nil && c.Apply && (c.Yes || told.Missing > 0) {
		told.Result, err = recorded(ctx, db, "backfill", c.consent, told.Query, func() (backfill.Result, error) {
			var result backfill.Result
			result, told.Events, err = c.watched(s, b, func(b backfill.Backfill) (backfill.Result, error) { return b.Apply(ctx, told.Query) })
			return result, err
		})
	}
	var usage usageError
	if errors.Is(err, errDeclined) || errors.As(err, &usage) || err != nil && told.Listed == 0 {
		return err
	}
	return errors.Join(told.print(g, s), err)
}

// watched runs work with a line that shows how far it is, and returns the first events that it found missing.
func (c backfillCommand) watched(s surroundings, b backfill.Backfill, work func(backfill.Backfill) (backfill.Result, error)) (backfill.Result, []backfill.Event, error) {
	found := []backfill.Event{}
	line := s.progress("events")
	defer line.end()
	b.Seen = func(listed int) { line.at(uint64(max(listed, 0)), 0) }
	b.Found = func(e backfill.Event) {
		if len(found) < c.Limit {
			found = append(found, e)
		}
	}
	result, err := work(b)
	return result, found, err
}

func (b backfilled) print(g globals, s surroundings) error {
	rows := [][]string{{"CREATED", "TYPE", "EVENT", "ACCOUNT"}}
	for _, e := range b.Events {
		rows = append(rows, []string{shown(e.Created), e.Type, e.ID, cmp.Or(e.Account, "-")})
	}
	if g.Output == "json" {
		return g.print(s.Stdout, b, nil)
	}
	if len(b.Events) > 0 {
		if err := g.print(s.Stdout, nil, rows); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(s.Stdout)
	}
	what := b.sentence()
	switch {
	case b.Applied && b.Missing > 0:
		what += fmt.Sprintf(" %s brought into the stream", count(b.Published, "event"))
		if b.Duplicates > 0 {
			what += fmt.Sprintf(", %d were there already", b.Duplicates)
		}
		what += "."
	case b.Missing > 0:
		what += " Nothing was changed: --apply brings them into the stream."
	}
	_, err := fmt.Fprintln(s.Stdout, what)
	return err
}

// sentence says what was found.
func (b backfilled) sentence() string {
	what := "that Stripe could not deliver"
	if b.All {
		what = "of Stripe's"
	}
	text := fmt.Sprintf("%s %s since %s: %d stored", count(b.Listed, "event"), what, shown(b.Since), b.Stored)
	if b.Elsewhere > 0 {
		text += fmt.Sprintf(", %d in the stream and not settled, or dead letters", b.Elsewhere)
	}
	return text + fmt.Sprintf(", %d missing.", b.Missing)
}
