package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/proof"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

type verifyCommand struct {
	Since        moment `help:"Only what was stored since: an age such as 72h or 2d, a date, or a time." placeholder:"WHEN"`
	Registration string `help:"Only one registration, its events and the places of its event." placeholder:"ID"`
	Limit        int    `default:"1000" help:"Most differences to list (default ${default}); all are counted." placeholder:"N"`
	Repair       bool   `help:"Mend what differs, after showing it and asking."`
	Mails        bool   `help:"With --repair: send the mails that mended registrations want. Else they are suppressed for good."`
	consent
}

// Help says what is proven, and with which settings.
func (verifyCommand) Help() string {
	return `It proves that the database is what the stream says:

    - every event that the workers have processed has its fact, and decoding it again gives the same;
      what could not be stored is a dead letter;
    - every registration is what its facts say: status, place, deadline, attention; no fact waits in vain;
    - every event counts as many held places as its registrations hold.

It may run beside workers, holds nobody up, and takes the same memory for any number of events. What the workers have
not come to yet, and registrations that the platform has just changed, are counted and are no differences. It settles as the
worker does, so give it the worker's settings: deadlines follow FAILED_HOLD, PENDING_HOLD and EXPIRY_GRACE, and
STRIPE_ACCOUNTS and GUICHET_ENV say which events count.

    guichet verify
    guichet verify --registration reg-1 --output json
    guichet verify --repair --by "Ada"

--repair stores missing facts, rewrites those that differ, settles their registrations anew and counts places anew;
it is recorded.

Exit code: 0 proven (or mended), 1 something differs or could not be reached, 2 wrong use.

Settings (environment): NATS_URL, DATABASE_URL, each also as a file or a Docker secret, and the worker's.`
}

// verified is what the command prints for programs.
type verified struct {
	Scope       proof.Scope        `json:"scope"`
	Differences []store.Difference `json:"differences"`
	Report      proof.Report       `json:"report"`
	Repair      *proof.Report      `json:"repair,omitempty"`
	After       *proof.Report      `json:"after_repair,omitempty"`
}

// Run verifies, and repairs where it is to.
func (c verifyCommand) Run(ctx context.Context, g globals, s surroundings) error {
	if c.Mails && !c.Repair {
		return usageError{errors.New("--mails is for --repair: without it nothing is changed and nobody is mailed")}
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
	v := verification{c, g, s, js, db, config.Filter()}
	out := verified{Scope: c.scope(), Differences: []store.Difference{}}
	out.Report, err = v.run(ctx, false, func(d store.Difference) error {
		if len(out.Differences) < c.Limit {
			out.Differences = append(out.Differences, d)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The steps tell at once; for people, events come first, then registrations, then places.
	slices.SortStableFunc(out.Differences, func(a, b store.Difference) int { return strings.Compare(a.About, b.About) })
	if err := v.print(out); err != nil {
		return err
	}
	if c.Repair && out.Report.Differences > 0 {
		return v.repair(ctx, &out)
	}
	if err := v.printJSON(out); err != nil {
		return err
	}
	return unproven(out.Report)
}

func (c verifyCommand) scope() proof.Scope {
	return proof.Scope{Since: c.Since.Time, Registration: c.Registration}
}

// unproven is the error of a report with differences.
func unproven(r proof.Report) error {
	if r.Differences == 0 {
		return nil
	}
	return fmt.Errorf("the database is not what the stream says: %s", differing(r))
}

// verification is a command under way.
type verification struct {
	verifyCommand
	g      globals
	s      surroundings
	js     jetstream.JetStream
	db     *store.Store
	filter stripeevent.Filter
}

// run runs a verification, with a progress line.
func (v verification) run(ctx context.Context, mend bool, found func(store.Difference) error) (proof.Report, error) {
	line := v.s.progress("events and registrations")
	defer line.end()
	return proof.Verify(ctx, proof.Subject{JS: v.js, Store: v.db, Filter: v.filter}, proof.Options{
		Scope: v.scope(), Mend: mend, Found: found, Progress: line.at,
	})
}

// repair asks, mends, and verifies again.
func (v verification) repair(ctx context.Context, out *verified) error {
	question := v.question(out.Report)
	if question == "" { // there is nothing that it could mend
		return errors.Join(v.printJSON(*out), unproven(out.Report))
	}
	if err := v.ask(v.s, question); err != nil {
		return errors.Join(v.printJSON(*out), err)
	}
	detail := map[string]any{"scope": out.Scope, "mails": v.Mails}
	mended, err := recorded(ctx, v.db, "verify --repair", v.consent, detail, func() (proof.Report, error) {
		return v.run(ctx, true, nil)
	})
	if err != nil {
		return err
	}
	after, err := v.run(ctx, false, nil)
	if err != nil {
		return err
	}
	out.Repair, out.After = &mended, &after
	if v.g.Output == "json" {
		return errors.Join(v.printJSON(*out), unproven(after))
	}
	for _, p := range mended.Unmendable {
		if _, err := fmt.Fprintf(v.s.Stdout, "Left to a person: %s: %s\n", p.ID, p.Reason); err != nil {
			return err
		}
	}
	if after.Differences == 0 {
		_, err = fmt.Fprintln(v.s.Stdout, "Mended. Verified again: nothing differs.")
	}
	return errors.Join(err, unproven(after))
}

func (v verification) printJSON(out verified) error {
	if v.g.Output != "json" {
		return nil
	}
	return v.g.print(v.s.Stdout, out, nil)
}

// print writes for people what was found.
func (v verification) print(out verified) error {
	if v.g.Output == "json" {
		return nil
	}
	rows := [][]string{{"ABOUT", "ID", "FIELD", "STORED", "SHOULD BE"}}
	for _, d := range out.Differences {
		rows = append(rows, []string{d.About, d.ID, d.Field, d.Stored, d.ShouldBe})
	}
	if len(rows) > 1 {
		if err := v.g.print(v.s.Stdout, nil, rows); err != nil {
			return err
		}
		if more := out.Report.Differences - len(out.Differences); more > 0 {
			if _, err := fmt.Fprintf(v.s.Stdout, "… and %d more; --limit shows them.\n", more); err != nil {
				return err
			}
		}
	}
	return summary(v.s.Stdout, out.Report)
}
