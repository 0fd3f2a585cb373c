package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/worker"
)

// dialTimeout bounds how long a command waits for NATS.
const dialTimeout = 5 * time.Second

// load fills in settings from the environment, and from a running guichet dev what that does not set.
func (g globals) load(s surroundings, into any) error {
	source, err := g.settingsWithDev(s.Settings)
	if err != nil {
		return err
	}
	if err := settings.Load(into, source); err != nil {
		return usageError{err}
	}
	return nil
}

// openStore opens the database that the settings, or a running guichet dev, name. It settles nothing: see openSettling.
func (g globals) openStore(ctx context.Context, s surroundings) (*store.Store, error) {
	var config settings.Database
	if err := g.load(s, &config); err != nil {
		return nil, err
	}
	return store.Open(ctx, config.URL, store.Options{Policy: registration.Policy{}})
}

// openSettling opens the database for what settles registrations: as the worker does, with the worker's settings, and
// with mails off where they are to be suppressed.
func (g globals) openSettling(ctx context.Context, s surroundings, mailsOff bool) (*store.Store, worker.Settings, error) {
	var config worker.Settings
	if err := g.load(s, &config); err != nil {
		return nil, config, err
	}
	options := config.Store()
	options.MailsOff = mailsOff
	db, err := store.Open(ctx, config.Database.URL, options)
	return db, config, err
}

// dialStream connects to the NATS that the settings, or a running guichet dev, name. The connection is to be closed.
func (g globals) dialStream(ctx context.Context, s surroundings) (*nats.Conn, jetstream.JetStream, error) {
	var config settings.NATS
	if err := g.load(s, &config); err != nil {
		return nil, nil, err
	}
	log, err := logging.New(s.Stderr, "error", "console")
	if err != nil {
		return nil, nil, err
	}
	return dial(ctx, config.URL, log)
}

func dial(ctx context.Context, url string, log *zap.Logger) (*nats.Conn, jetstream.JetStream, error) {
	bounded, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := stream.Dial(bounded, url, "operator", log)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("JetStream: %w", err)
	}
	return conn, js, nil
}
