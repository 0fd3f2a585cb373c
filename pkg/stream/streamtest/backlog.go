// Package streamtest helps tests that wait for workers, or for what the server tells their consumer: it does that a little
// after it has acknowledged a message.
package streamtest

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/stream"
)

// Counted is nil when the server has counted all that the stream holds for the workers' consumer. Nothing may have been
// deleted before it was given out.
func Counted(ctx context.Context, js jetstream.JetStream) error {
	last, info, err := look(ctx, js)
	if err == nil && info.Delivered.Stream+info.NumPending < last {
		err = fmt.Errorf("%d of %d events given out, %d pending", info.Delivered.Stream, last, info.NumPending)
	}
	return err
}

// Drained is nil when the workers have been given, and have acknowledged, all that the stream holds: that none is pending
// says too little.
func Drained(ctx context.Context, js jetstream.JetStream) error {
	last, info, err := look(ctx, js)
	if err == nil && (info.Delivered.Stream < last || info.NumPending > 0 || info.NumAckPending > 0) {
		err = fmt.Errorf("%d of %d events given out, %d pending, %d in work", info.Delivered.Stream, last, info.NumPending, info.NumAckPending)
	}
	return err
}

func look(ctx context.Context, js jetstream.JetStream) (last uint64, info *jetstream.ConsumerInfo, err error) {
	events, err := js.Stream(ctx, stream.Events)
	if err != nil {
		return 0, nil, err
	}
	consumer, err := js.Consumer(ctx, stream.Events, stream.Consumer)
	if err != nil {
		return 0, nil, err
	}
	return events.CachedInfo().State.LastSeq, consumer.CachedInfo(), nil
}
