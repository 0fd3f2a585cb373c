package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/replay"
	"github.com/educareschool/guichet/pkg/store"
)

type replayCommand struct {
	Run  replayRun  `cmd:"" default:"withargs" help:"Show what running events through the worker's code again would change, and with --apply do it."`
	List replayList `cmd:"" help:"List the replays that were applied."`
}

type replayRun struct {
	picks
	File  string `group:"Which events:" type:"existingfile" help:"File of event ids, one a line." placeholder:"FILE"`
	Apply bool   `help:"Do it, after saying how many events it is about and asking. Else nothing is changed."`
	Mails bool   `help:"Send the mails that it makes wanted. Else they are suppressed: nobody is mailed, then or later."`
	Limit int    `default:"1000" help:"Most changes to list (default ${default}); all are counted." placeholder:"N"`
	consent
}

// Help says what a replay is, and when it is safe.
func (replayRun) Help() string {
	return `A replay takes events from the stream and runs them through the code that the worker runs: what the database lacks is
stored, and the registrations of the others are settled anew. Whatever is right already stays as it is, so a replay may be
run at any time, beside workers, twice, and again after it was cut off.

Without --apply it shows, registration by registration, what would change, and which mails would be sent or suppressed; it
reads in transactions that cannot write. Places go to who comes first: it says of one that is gained on what that depends.

    guichet replay --since 2h
    guichet replay run --registration reg-1    the same command, by its whole name
    guichet replay --file ids.txt --apply --by "Ada"
    guichet replay --apply                     everything, as after the restore of an older database
    guichet replay list

Events that the workers have not come to yet are left to them, so that their mails are sent; --mails takes them, too. An event is
picked by what it names itself: a dispute names its intent and not its registration. Give it the worker's settings (see
'guichet verify --help').

Exit code: 0 done, or shown; 1 something could not be reached or stored; 2 wrong use.

Settings (environment): NATS_URL, DATABASE_URL, each also as a file or a Docker secret, and the worker's.`
}

// replayed is what is recorded of a replay, and printed for programs.
type replayed struct {
	Filter archive.Filter `json:"filter"`
	File   string         `json:"file,omitempty"`
	IDs    int            `json:"ids,omitempty"` // in the file; the filter names the first of them
	Mails  bool           `json:"mails"`
}

// mostNamed bounds how many ids of a file are recorded and printed.
const mostNamed = 100

// foreseen is a plan as it is printed for programs.
type foreseen struct {
	replayed
	Plan    *replay.Plan   `json:"plan,omitempty"`
	Changes []change       `json:"changes"`
	Result  *replay.Result `json:"result,omitempty"`
}

// change is a field of a registration that would change, or a mail.
type change struct {
	Registration string `json:"registration"`
	Field        string `json:"field"`
	Now          string `json:"now"`
	Then         string `json:"then"`
}

// Run shows what a replay would change, or does it.
func (c replayRun) Run(ctx context.Context, g globals, s surroundings) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.File != "" {
		if filter.IDs, err = readIDs(c.File); err != nil {
			return err
		}
	}
	db, config, err := g.openSettling(ctx, s, !c.Mails)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, js, err := g.dialStream(ctx, s)
	if err != nil {
		return err
	}
	defer conn.Close()
	line := s.progress("events")
	defer line.end()
	r := replay.Replay{JS: js, Store: db, Filter: config.Filter(), Picks: filter, Unprocessed: c.Mails, Progress: line.at}
	out := foreseen{replayed: replayed{Filter: filter, File: c.File, IDs: len(filter.IDs), Mails: c.Mails}, Changes: []change{}}
	out.Filter.IDs = filter.IDs[:min(len(filter.IDs), mostNamed)]
	if c.Apply {
		return c.apply(ctx, g, s, db, r, out)
	}
	listed := 0
	plan, err := r.Plan(ctx, func(f store.Foreseen) error {
		for _, one := range c.changes(f) {
			if listed++; len(out.Changes) < c.Limit {
				out.Changes = append(out.Changes, one)
			}
		}
		return nil
	})
	line.end()
	if err != nil {
		return err
	}
	out.Plan = &plan
	if g.Output == "json" {
		return g.print(s.Stdout, out, nil)
	}
	return out.print(g, s.Stdout, listed)
}

// changes lists what would become of a registration.
func (c replayRun) changes(f store.Foreseen) []change {
	var out []change
	for _, d := range f.Changes {
		out = append(out, change{f.RegistrationID, d.Field, d.Stored, d.ShouldBe})
	}
	becomes := "suppressed"
	if c.Mails {
		becomes = "sent"
	}
	for _, m := range f.Mails {
		out = append(out, change{f.RegistrationID, "mail", store.Absent, string(m.Kind) + ", " + becomes})
	}
	return out
}

// apply runs the events, unless a person who is told how many match says no.
func (c replayRun) apply(ctx context.Context, g globals, s surroundings, db *store.Store, r replay.Replay, out foreseen) error {
	if !c.Yes { // counting takes a good part of the time that running them does
		line := s.progress("events")
		r.Progress = line.at
		counts, err := r.Count(ctx)
		line.end()
		if err != nil {
			return err
		}
		if counts.Missing+counts.Present == 0 {
			out.Plan = &replay.Plan{Counts: counts}
			return g.tell(s.Stdout, out, countedText(counts))
		}
		mails := "Mails are off: those that it makes wanted are suppressed for good."
		if c.Mails {
			mails = "The mails that it makes wanted are sent."
		}
		if err := c.ask(s, countedText(counts)+"This stores what is missing and settles the registrations of the others anew. "+mails); err != nil {
			return err
		}
	}
	line := s.progress("events")
	r.Progress = line.at
	result, err := recorded(ctx, db, "replay", c.consent, out.replayed, func() (replay.Result, error) { return r.Apply(ctx) })
	line.end()
	if err != nil {
		return errors.Join(err, errors.New("it can be run again: what it has done stays done"))
	}
	out.Result = &result
	text := resultText(result)
	if result.Missing+result.Present == 0 {
		text = countedText(result.Counts)
	}
	if err := g.tell(s.Stdout, out, text); err != nil {
		return err
	}
	if result.Refused > 0 {
		return fmt.Errorf("%s refused by PostgreSQL", count(result.Refused, "event"))
	}
	return nil
}

// readIDs reads a file of event ids.
func readIDs(path string) ([]string, error) {
	file, err := os.Open(path) // #nosec G304 -- the user names it
	if err != nil {
		return nil, fmt.Errorf("read the ids: %w", err)
	}
	defer func() { _ = file.Close() }()
	var ids []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if id := strings.TrimSpace(lines.Text()); id != "" && !strings.HasPrefix(id, "#") {
			ids = append(ids, id)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the ids of %s: %w", path, err)
	}
	if len(ids) == 0 {
		return nil, usageError{fmt.Errorf("%s holds no event ids: it should have one a line", path)}
	}
	return ids, nil
}
