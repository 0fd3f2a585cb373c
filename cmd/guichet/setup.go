package main

import (
	"context"
	"errors"

	"github.com/educareschool/guichet/cmd/guichet/internal/dev"
	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/stream"
)

type setupCommand struct{}

// Help shows examples and the settings.
func (setupCommand) Help() string {
	return `It makes the streams, the consumer and the database's schema what the services need, and can be run at any
time: what is right already is found and left alone, and a change that would lose stored events is refused.
The services themselves never change any of these.

    NATS_URL=nats://admin:…@nats:4222 DATABASE_URL=postgres://… guichet setup

Settings (environment): NATS_URL, DATABASE_URL, STREAM_MAX_AGE, STREAM_MAX_BYTES, STREAM_DUPLICATE_WINDOW,
STREAM_REPLICAS; the first two also as NAME_FILE or as Docker secrets.`
}

// Run sets up what the settings name.
func (setupCommand) Run(ctx context.Context, g globals, s surroundings) error {
	var config struct {
		NATS     settings.NATS
		Database settings.Database
		Stream   stream.Config
	}
	source, err := g.settingsWithDev(s.Settings)
	if err != nil {
		return err
	}
	if err := errors.Join(settings.Load(&config, source), config.Stream.Validate()); err != nil {
		return usageError{err}
	}
	log, err := logging.New(s.Stderr, "warn", "console")
	if err != nil {
		return err
	}
	done, err := dev.Setup(ctx, config.NATS.URL, config.Database.URL, config.Stream, log)
	rows := [][]string{{"DONE", "WHAT", "DETAIL"}}
	for _, c := range done {
		rows = append(rows, []string{c.What, c.Name, c.Detail})
	}
	return errors.Join(g.print(s.Stdout, done, rows), err)
}
