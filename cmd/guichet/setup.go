package main

import (
	"context"
	"errors"
	"strings"

	"github.com/educareschool/guichet/cmd/guichet/internal/dev"
	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/stream"
)

type setupCommand struct{}

// setupSettings are its environment variables.
type setupSettings struct {
	NATS     settings.NATS
	Database settings.Database
	Stream   stream.Config
}

// Help shows an example and the settings.
func (setupCommand) Help() string {
	return `It makes the streams, the consumer and the database's schema what the services need, and can be run at any
time: what is right already is found and left alone, and a change that would lose stored events is refused.
The services themselves never change any of these. It waits a few seconds for a NATS or a PostgreSQL that is
starting.

    NATS_URL=nats://admin:…@nats:4222 DATABASE_URL=postgres://… guichet setup

Exit code: 0 all is as it must be, 1 something could not be reached or made so, 2 wrong settings.

` + settingsTable(&setupSettings{})
}

// settingsTable lists settings, indented so that help prints them as they are.
func settingsTable(of any) string {
	var table strings.Builder
	if err := settings.Usage(&table, of); err != nil {
		return err.Error()
	}
	return "    " + strings.ReplaceAll(strings.TrimSpace(table.String()), "\n", "\n  ")
}

// Run sets up what the settings name.
func (setupCommand) Run(ctx context.Context, g globals, s surroundings) error {
	var set setupSettings
	if err := g.load(s, &set); err != nil {
		return err
	}
	log, err := logging.New(s.Stderr, "warn", "console")
	if err != nil {
		return err
	}
	done, err := dev.Setup(ctx, set.NATS.URL, set.Database.URL, set.Stream, log)
	rows := [][]string{{"DONE", "WHAT", "DETAIL"}}
	for _, c := range done {
		rows = append(rows, []string{c.What, c.Name, c.Detail})
	}
	if len(done) == 0 {
		return err
	}
	return errors.Join(g.print(s.Stdout, done, rows), err)
}
