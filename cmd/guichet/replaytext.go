package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/educareschool/guichet/pkg/replay"
	"github.com/educareschool/guichet/pkg/store"
)

// tell writes text for people, or value for programs.
func (g globals) tell(w io.Writer, value any, text string) error {
	if g.Output == "json" {
		return g.print(w, value, nil)
	}
	_, err := io.WriteString(w, text)
	return err
}

// print writes a plan for people; listed is how many changes there are in all.
func (f foreseen) print(g globals, w io.Writer, listed int) error {
	if _, err := io.WriteString(w, countedText(f.Plan.Counts)); err != nil {
		return err
	}
	rows := [][]string{{"REGISTRATION", "FIELD", "NOW", "THEN"}}
	for _, c := range f.Changes {
		rows = append(rows, []string{c.Registration, c.Field, c.Now, c.Then})
	}
	if len(rows) > 1 {
		if err := g.print(w, nil, rows); err != nil {
			return err
		}
	}
	var text strings.Builder
	if more := listed - len(f.Changes); more > 0 {
		fmt.Fprintf(&text, "… and %d more; --limit shows them.\n", more)
	}
	if f.Plan.Waiting > 0 {
		fmt.Fprintf(&text, "%s would wait: whose registrations they are is not known.\n", count(f.Plan.Waiting, "event"))
	}
	becomes := "suppressed"
	if f.Mails {
		becomes = "sent"
	}
	if f.Plan.Missing == 0 && f.Plan.Registrations == 0 && f.Plan.Mails == 0 {
		text.WriteString("Nothing would change.\n")
	} else {
		fmt.Fprintf(&text, "%s would change, and %s be %s. Nothing was changed: --apply does it.\n",
			count(f.Plan.Registrations, "registration"), count(f.Plan.Mails, "mail"), becomes)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// countedText says how many events match, and over what period.
func countedText(c replay.Counts) string {
	if c.Matched == 0 {
		return "No event matches.\n"
	}
	text := fmt.Sprintf("%s match, %d to %d, stored %s to %s: %d the database has, %d it lacks.",
		count(c.Matched, "event"), c.First, c.Last, shown(c.FirstStored), shown(c.LastStored), c.Present, c.Missing)
	if c.Undecodable > 0 {
		text += fmt.Sprintf(" %d cannot be decoded.", c.Undecodable)
	}
	if c.Unprocessed > 0 {
		text += fmt.Sprintf(" %d are left to the workers, who have not come to them yet.", c.Unprocessed)
	}
	return text + "\n"
}

func resultText(r replay.Result) string {
	text := fmt.Sprintf("%s stored, %s settled anew.\n", count(r.Stored, "event"), count(r.Settled, "registration"))
	for _, refusal := range r.Refusals {
		text += fmt.Sprintf("Refused: %s: %s\n", refusal.ID, refusal.Reason)
	}
	return text
}

type replayList struct {
	Limit int `default:"50" help:"Most replays to show: the newest (default ${default})." placeholder:"N"`
}

// Help shows an example.
func (replayList) Help() string {
	return `Each replay that was applied is recorded before it begins; one without an end is under way, or was cut off.

    guichet replay list
    guichet replay list --output json

Settings (environment): DATABASE_URL, also as DATABASE_URL_FILE or as a Docker secret.`
}

// Run lists replays.
func (c replayList) Run(ctx context.Context, g globals, s surroundings) error {
	db, err := g.openStore(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	found, err := db.Operations(ctx, "replay", c.Limit)
	if err != nil {
		return err
	}
	if len(found) == 0 && g.Output != "json" {
		_, err := fmt.Fprintln(s.Stdout, "Nothing was ever replayed.")
		return err
	}
	rows := [][]string{{"NUMBER", "BEGAN", "TOOK", "BY", "EVENTS", "MAILS", "RESULT"}}
	for _, o := range found {
		rows = append(rows, replayRow(o))
	}
	return g.print(s.Stdout, found, rows)
}

// replayRow is a replay for people.
func replayRow(o store.Operation) []string {
	var asked replayed
	var result replay.Result
	_ = json.Unmarshal(o.Detail, &asked) // what an older program wrote reads as far as it can
	_ = json.Unmarshal(o.Result, &result)
	took, outcome, mails := "-", "no end", "off"
	if o.FinishedAt != nil {
		took = short(o.FinishedAt.Sub(o.StartedAt))
		outcome = fmt.Sprintf("%d matched, %d stored, %d settled, %d refused", result.Matched, result.Stored, result.Settled, result.Refused)
	}
	if o.Error != "" {
		outcome += ": " + strings.ReplaceAll(o.Error, "\n", "; ")
	}
	if asked.Mails {
		mails = "sent"
	}
	return []string{strconv.FormatInt(o.ID, 10), shown(o.StartedAt), took, o.By, asked.words(), mails, outcome}
}

// words say which events were picked.
func (r replayed) words() string {
	var out []string
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+" "+value)
		}
	}
	f := r.Filter
	if !f.Since.IsZero() {
		add("since", shown(f.Since))
	}
	if !f.Until.IsZero() {
		add("until", shown(f.Until))
	}
	if f.From > 0 {
		add("from", strconv.FormatUint(f.From, 10))
	}
	if f.To > 0 {
		add("to", strconv.FormatUint(f.To, 10))
	}
	add("type", strings.Join(f.Types, ","))
	add("account", f.Account)
	add("naming", strings.Join(f.Mentions, " and "))
	if r.File != "" {
		add("ids of", fmt.Sprintf("%s (%d)", r.File, r.IDs))
	}
	if len(out) == 0 {
		return "all"
	}
	return strings.Join(out, ", ")
}
