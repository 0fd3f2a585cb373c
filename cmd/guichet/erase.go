package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/educareschool/guichet/pkg/erasure"
)

type eraseCommand struct {
	Registration string `arg:"" help:"The registration's id."`
	consent
}

// Help shows an example.
func (eraseCommand) Help() string {
	return `For a person's right to erasure. It blanks the name and the address of the registration's row, drops the mails that
wait for the participant, removes what people noted about its attention, and deletes from the stream and from the
dead letters all that is about the registration or mentions it, overwriting its bytes. Status, amounts, history and
facts stay for the books; none of them names anybody. What comes later is settled as before, and mails nobody.

It first says what it will do, and asks. Cut off, it can be run again; so it can when Stripe has sent more. An event
that no worker has settled yet stays until that is done, and the exit code is 1.

Elsewhere the person may still be known: at Stripe, in backups, in mails that went out, and in files of MAILBOX_DIR.

    guichet erase reg-01J9ZK3M7Q
    guichet erase reg-01J9ZK3M7Q --yes --by "Ada" --output json

Settings (environment): NATS_URL and DATABASE_URL, each also as a file or a Docker secret.`
}

// errUnsettled is that something about the registration is left, which must be settled first.
var errUnsettled = errors.New("settled by no worker yet and left as they are, for the books need them: erase again once 'guichet status' shows no backlog; " +
	"if it shows none, 'guichet verify' says what is missing")

// Run erases.
func (c eraseCommand) Run(ctx context.Context, g globals, s surroundings) error {
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
	looking := s.progress("events read")
	plan, err := erasure.Look(ctx, db, js, c.Registration, looking.at)
	looking.end()
	if err != nil {
		return err
	}
	if !plan.Empty() {
		if err := c.ask(s, planned(plan)); err != nil {
			return err
		}
		deleting := s.progress("messages deleted")
		_, err = recorded(ctx, db, "erase", c.consent, map[string]string{"registration": c.Registration}, func() (erasure.Plan, error) {
			return plan, erasure.Apply(ctx, db, js, plan, deleting.at)
		})
		deleting.end()
		if err != nil {
			return fmt.Errorf("%w; run it again to erase the rest", err)
		}
	}
	if err := c.print(g, s, plan); err != nil || plan.Unsettled == 0 {
		return err
	}
	return fmt.Errorf("%s about %s: %w", count(plan.Unsettled, "message"), c.Registration, errUnsettled)
}

// planned says what will be done.
func planned(p erasure.Plan) string {
	var parts []string
	if p.Fields {
		parts = append(parts, "the name and the address are blanked")
	}
	for _, part := range []struct {
		n          int
		noun, what string
	}{
		{p.Mails, "pending mail", "dropped"},
		{p.Notes, "note", "on its attention removed"},
		{p.Messages, "message", "deleted from the stream of events"},
		{p.DeadLetters, "dead letter", "deleted, and what it tells is never settled"},
	} {
		if part.n > 0 {
			parts = append(parts, count(part.n, part.noun)+" "+part.what)
		}
	}
	status := string(p.Status)
	if status == "" {
		status = "deleted"
	}
	return fmt.Sprintf("%s (%s): %s. Status, amounts, history and facts stay. This cannot be undone.", p.Registration, status, strings.Join(parts, "; "))
}

func (c eraseCommand) print(g globals, s surroundings, p erasure.Plan) error {
	if p.Empty() && g.Output != "json" {
		_, err := fmt.Fprintf(s.Stdout, "Nothing is held of the person of %s any longer.\n", c.Registration)
		return err
	}
	fields := "no"
	if p.Fields {
		fields = "yes"
	}
	return g.print(s.Stdout, p, [][]string{
		{"registration", p.Registration},
		{"name and address blanked", fields},
		{"mails dropped", strconv.Itoa(p.Mails)},
		{"notes removed", strconv.Itoa(p.Notes)},
		{"messages deleted", strconv.Itoa(p.Messages)},
		{"dead letters deleted", strconv.Itoa(p.DeadLetters)},
	})
}
