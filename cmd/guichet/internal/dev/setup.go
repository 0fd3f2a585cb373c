package dev

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/lib/pq"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
)

const (
	// patience is how long Setup waits for NATS, and then for PostgreSQL, which may be starting.
	patience  = 10 * time.Second
	pingPause = 250 * time.Millisecond
)

// Setup makes streams, consumer and schema what they must be; it says what it did even when it fails later.
func Setup(ctx context.Context, natsURL, databaseURL string, config stream.Config, log *zap.Logger) ([]stream.Change, error) {
	done, err := setupStreams(ctx, natsURL, config, log)
	if err != nil {
		return done, err
	}
	if err := reach(ctx, databaseURL); err != nil {
		return done, err
	}
	applied, version, err := store.Migrate(ctx, databaseURL)
	for _, m := range applied {
		done = append(done, stream.Change{What: "created", Name: "schema " + m.Name})
	}
	if err == nil && len(applied) == 0 {
		done = append(done, stream.Change{What: "found", Name: "schema", Detail: fmt.Sprintf("version %d", version)})
	}
	return done, explain(err)
}

func setupStreams(ctx context.Context, natsURL string, config stream.Config, log *zap.Logger) ([]stream.Change, error) {
	dialing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := stream.Dial(dialing, natsURL, "setup", log)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("JetStream: %w", err)
	}
	return stream.Setup(ctx, js, config)
}

// reach returns once the database answers, or why it does not.
func reach(ctx context.Context, databaseURL string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	config, err := pq.NewConfig(databaseURL)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	config.ConnectTimeout = patience // the driver forgets ctx once it is connected and before it is answered
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	var last error
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil { // at the end it only says that time is over
			last = err
		}
		if final(err) || !pause(ctx) {
			return fmt.Errorf("reach PostgreSQL%s: %w", place(databaseURL), last)
		}
	}
}

// final says that PostgreSQL has answered and will not change its mind: all but its starting and stopping.
func final(err error) bool {
	const operatorIntervention = "57"
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code.Class() != operatorIntervention
}

func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pingPause):
		return true
	}
}

// place is the host and database of a URL, without its user and password.
func place(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Host == "" {
		return ""
	}
	return " at " + u.Host + u.Path
}

// explain adds to a refused permission what mends it.
func explain(err error) error {
	const insufficientPrivilege = "42501"
	var refused *pq.Error
	if errors.As(err, &refused) && refused.Code == insufficientPrivilege {
		return fmt.Errorf("%w; setting up needs a user who may create tables there, such as the owner of the database", err)
	}
	return err
}
