// Package streamtest helps tests that wait for workers.
package streamtest

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/stream"
)

// Drained is nil when the workers have been given, and have acknowledged, all that the stream holds. The server tells a
// consumer of a message a little after it has acknowledged it: that none is pending says too little.
func Drained(ctx context.Context, js jetstream.JetStream) error {
	events, err := js.Stream(ctx, stream.Events)
	if err != nil {
		return err
	}
	consumer, err := js.Consumer(ctx, stream.Events, stream.Consumer)
	if err != nil {
		return err
	}
	last, info := events.CachedInfo().State.LastSeq, consumer.CachedInfo()
	if info.Delivered.Stream < last || info.NumPending > 0 || info.NumAckPending > 0 {
		return fmt.Errorf("%d of %d events given out, %d pending, %d in work", info.Delivered.Stream, last, info.NumPending, info.NumAckPending)
	}
	return nil
}
