package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

type attentionCommand struct {
	List attentionList `cmd:"" default:"withargs" help:"List what waits for a person."`
	Ack  attentionAck  `cmd:"" help:"Note that somebody has seen to one, with a word on what they did."`
}

type attentionList struct {
	All   bool `help:"Show also what was acknowledged, and what cleared by itself."`
	Limit int  `default:"100" help:"Most rows to show (default ${default})." placeholder:"N"`
}

// Help shows an example.
func (attentionList) Help() string {
	return `Attention is raised once, mailed to the admin, and clears when its cause is gone.

    guichet attention list
    guichet attention list --all --output json

Settings (environment): DATABASE_URL, also as DATABASE_URL_FILE or as a Docker secret.`
}

// Run lists attention.
func (c attentionList) Run(ctx context.Context, g globals, s surroundings) error {
	db, err := g.openStore(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	found, err := db.Attention(ctx, c.All, c.Limit)
	if err != nil {
		return err
	}
	rows := [][]string{{"NUMBER", "RAISED", "FLAG", "REGISTRATION", "ABOUT", "STATE"}}
	for _, o := range found {
		state := "open"
		switch {
		case o.AcknowledgedAt != nil:
			state = "seen by " + o.AcknowledgedBy + ": " + o.Note
		case o.ClearedAt != nil:
			state = "cleared " + o.ClearedAt.UTC().Format(time.DateTime)
		}
		rows = append(rows, []string{
			strconv.FormatInt(o.ID, 10), o.RaisedAt.UTC().Format(time.DateTime), o.Flag, cmp.Or(o.RegistrationID, "-"), o.Object, state,
		})
	}
	if len(found) == 0 && g.Output != "json" {
		_, err := fmt.Fprintln(s.Stdout, "Nothing waits for a person.")
		return err
	}
	return g.print(s.Stdout, found, rows)
}

type attentionAck struct {
	Number int64  `arg:"" help:"Number of the attention, as 'guichet attention list' shows it."`
	Note   string `required:"" help:"What was done about it." placeholder:"TEXT"`
	consent
}

// Help shows an example.
func (attentionAck) Help() string {
	return `The flag stays on the registration for as long as its cause is there; it waits for nobody any longer. This
asks on a terminal; in a script the number and the note are consent enough.

    guichet attention ack 12 --note "refunded the second payment"

Settings (environment): DATABASE_URL, also as DATABASE_URL_FILE or as a Docker secret.`
}

// Run acknowledges attention.
func (c attentionAck) Run(ctx context.Context, g globals, s surroundings) error {
	if strings.TrimSpace(c.Note) == "" {
		return usageError{errors.New("--note says nothing: say what was done about it")}
	}
	db, err := g.openStore(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if s.Interactive {
		if err := c.ask(s, fmt.Sprintf("Attention %d will be noted as seen by %s, and wait for nobody any longer.", c.Number, c.who())); err != nil {
			return err
		}
	}
	done, err := recorded(ctx, db, "attention ack", c.consent, acknowledged{c.Number, ""}, func() (acknowledged, error) {
		return acknowledged{c.Number, c.who()}, db.Acknowledge(ctx, c.Number, c.who(), c.Note)
	})
	if err != nil {
		return err
	}
	return g.print(s.Stdout, done, [][]string{{fmt.Sprintf("Attention %d is noted as seen by %s.", done.Attention, done.By)}})
}

// acknowledged is the record of an acknowledgement; the note is on the attention itself, as it may name people.
type acknowledged struct {
	Attention int64  `json:"attention"`
	By        string `json:"by,omitempty"`
}
