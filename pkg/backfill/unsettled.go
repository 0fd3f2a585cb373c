package backfill

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/stream"
)

// Unsettled are the ids of the events that no worker has settled yet, and of the dead letters: they are stored,
// although not in the inbox. It is for Backfill.Elsewhere, and needs an operator's rights.
func Unsettled(ctx context.Context, js jetstream.JetStream) (func(context.Context, []string) (map[string]bool, error), error) {
	consumer, err := js.Consumer(ctx, stream.Events, stream.Consumer)
	if err != nil {
		return nil, fmt.Errorf("look up what the workers have done: %w", err)
	}
	unsettled := map[string]bool{}
	note := func(m archive.Message) error {
		unsettled[m.EventID()] = true
		return nil
	}
	if err := archive.Events(js).Scan(ctx, archive.Filter{From: consumer.CachedInfo().AckFloor.Stream + 1}, nil, note); err != nil {
		return nil, err
	}
	if err := archive.DeadLetters(js).Scan(ctx, archive.Filter{}, nil, note); err != nil {
		return nil, err
	}
	return func(context.Context, []string) (map[string]bool, error) { return unsettled, nil }, nil
}
