package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/deadletter"
)

// chosen are the arguments of a command that takes dead letters away.
type chosen struct {
	Names []string `arg:"" optional:"" name:"id" help:"Events' ids, or dead letters' sequences."`
	Type  []string `help:"All of an event type, such as charge.refunded or checkout.session.*; several with commas." placeholder:"TYPE"`
	All   bool     `help:"All dead letters."`
}

type deadRedrive struct {
	chosen
	consent
}

// Help shows an example.
func (deadRedrive) Help() string {
	return `The event goes back into the stream as it was when it came, and the dead letter is deleted. The workers then settle
it as any other; if it cannot be settled still, it becomes a dead letter again. Cut off, it can be run again: no
event is settled twice.

    guichet dead redrive evt_1NG8Du2eZvKYlo2CUI79vXWy
    guichet dead redrive --type charge.refunded --yes
    guichet dead redrive --all

Settings (environment): NATS_URL and DATABASE_URL, where it is recorded; each also as a file or a Docker secret.`
}

// Run redrives dead letters.
func (c deadRedrive) Run(ctx context.Context, g globals, s surroundings) error {
	return taking{
		command: "dead redrive", asks: "%s: back into the stream, to be settled: %s", done: "redriven",
		do: func(ctx context.Context, js jetstream.JetStream, sequence uint64) error {
			l, err := deadletter.Get(ctx, js, sequence)
			if errors.Is(err, archive.ErrNotFound) { // somebody else was faster
				return nil
			}
			if err != nil {
				return err
			}
			return deadletter.Redrive(ctx, js, l)
		},
	}.run(ctx, g, s, c.chosen, c.consent)
}

type deadDrop struct {
	chosen
	consent
}

// Help shows an example.
func (deadDrop) Help() string {
	return `What a dropped dead letter tells is never settled. The event itself stays in the stream until that forgets it;
'guichet verify' knows that somebody has dropped it.

    guichet dead drop 12 13
    guichet dead drop --type customer.updated --yes --by "Ada"

Settings (environment): NATS_URL and DATABASE_URL, where it is recorded; each also as a file or a Docker secret.`
}

// Run drops dead letters.
func (c deadDrop) Run(ctx context.Context, g globals, s surroundings) error {
	return taking{
		command: "dead drop", asks: "%s: deleted for good, without being settled: %s", done: "dropped", do: deadletter.Drop,
	}.run(ctx, g, s, c.chosen, c.consent)
}

// taking is what both commands share: finding the letters, asking, and doing to each what takes it away.
type taking struct {
	command string
	asks    string // what will be done, with a count and the types
	done    string // what was done to one
	do      func(ctx context.Context, js jetstream.JetStream, sequence uint64) error
}

// taken is what a command did.
type taken struct {
	Found int                    `json:"found"`
	Done  int                    `json:"done"`
	List  []deadletter.Reference `json:"letters"`
}

// takenNote is what is recorded of it. 'guichet verify' reads there which dead letters a person has dropped.
type takenNote struct {
	Found  int      `json:"found"`
	Done   int      `json:"done"`
	Events []string `json:"events"`
}

func (t taking) run(ctx context.Context, g globals, s surroundings, c chosen, agreed consent) error {
	selection := deadletter.Selection{Names: c.Names, Types: c.Type, All: c.All}
	if err := selection.Validate(); err != nil {
		return usageError{err}
	}
	conn, js, err := g.dialStream(ctx, s)
	if err != nil {
		return err
	}
	defer conn.Close()
	found, err := deadletter.Select(ctx, js, selection)
	if err != nil {
		return err
	}
	if len(found) == 0 && g.Output != "json" {
		_, err := fmt.Fprintln(s.Stdout, "There are no such dead letters.")
		return err
	}
	done, err := t.take(ctx, g, s, js, found, selection, agreed)
	if errors.Is(err, errDeclined) || done == nil {
		return err
	}
	rows := [][]string{{"DONE", "SEQUENCE", "TYPE", "EVENT"}}
	for _, r := range done {
		rows = append(rows, []string{t.done, strconv.FormatUint(r.Sequence, 10), r.Type, r.EventID})
	}
	return errors.Join(g.print(s.Stdout, taken{len(found), len(done), done}, rows), err)
}

// take returns the letters that were taken away; nil where it did not come to that.
func (t taking) take(ctx context.Context, g globals, s surroundings, js jetstream.JetStream, found []deadletter.Reference, selection deadletter.Selection, agreed consent) ([]deadletter.Reference, error) {
	done := []deadletter.Reference{}
	if len(found) == 0 {
		return done, nil
	}
	db, err := g.openStore(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	if err := agreed.ask(s, fmt.Sprintf(t.asks, count(len(found), "dead letter"), kinds(found))); err != nil {
		return nil, err
	}
	line := s.progress("dead letters")
	defer line.end()
	_, err = recorded(ctx, db, t.command, agreed, selection, func() (takenNote, error) {
		note := takenNote{Found: len(found), Events: []string{}}
		for _, r := range found {
			if err := t.do(ctx, js, r.Sequence); err != nil {
				return note, fmt.Errorf("%s and what comes after it stay: %w", r.EventID, err)
			}
			done = append(done, r)
			note.Done++
			note.Events = append(note.Events, r.EventID)
			line.at(uint64(len(done)), uint64(len(found)))
		}
		return note, nil
	})
	return done, err
}

// kinds counts what was found by type.
func kinds(found []deadletter.Reference) string {
	counts := map[string]int{}
	for _, r := range found {
		counts[r.Type]++
	}
	var out []string
	for kind, n := range counts {
		out = append(out, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(out)
	return strings.Join(out, ", ") + "."
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
