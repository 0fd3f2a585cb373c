package dev

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
)

// Setup makes streams, consumer and schema what they must be; it says what it did even when it fails later.
func Setup(ctx context.Context, natsURL, databaseURL string, config stream.Config, log *zap.Logger) ([]stream.Change, error) {
	conn, err := stream.Connect(natsURL, "setup", log)
	if err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("JetStream: %w", err)
	}
	done, err := stream.Setup(ctx, js, config)
	if err != nil {
		return done, err
	}
	applied, version, err := store.Migrate(ctx, databaseURL)
	for _, m := range applied {
		done = append(done, stream.Change{What: "created", Name: "schema " + m.Name})
	}
	if err == nil && len(applied) == 0 {
		done = append(done, stream.Change{What: "found", Name: "schema", Detail: fmt.Sprintf("version %d", version)})
	}
	return done, err
}
