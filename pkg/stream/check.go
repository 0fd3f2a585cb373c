package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// State says how a stream or the consumer is.
type State struct {
	Name    string // "stream STRIPE_EVENTS"
	Missing bool
	// Differs names how it departs from the design, field by field; empty where it does not.
	Differs string
	// Bytes is what a stream holds, MaxBytes what it may.
	Bytes, MaxBytes uint64
}

// Check compares the streams and the consumer with what Setup makes of them, and changes nothing. With an error
// it returns what it could look at.
func Check(ctx context.Context, js jetstream.JetStream, c Config) ([]State, error) {
	var out []State
	for _, want := range []jetstream.StreamConfig{EventsConfig(c), DeadLettersConfig(c)} {
		state := State{Name: "stream " + want.Name}
		s, err := js.Stream(ctx, want.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			state.Missing = true
		case err != nil:
			return out, fmt.Errorf("look up %s: %w", state.Name, reason(js, err))
		default:
			info := s.CachedInfo()
			state.Differs, state.Bytes, state.MaxBytes = differences(info.Config, want), info.State.Bytes, uint64(max(info.Config.MaxBytes, 0))
		}
		out = append(out, state)
	}
	state := State{Name: "consumer " + Consumer}
	consumer, err := js.Consumer(ctx, Events, Consumer)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		state.Missing = true
	case err != nil:
		return out, fmt.Errorf("look up %s: %w", state.Name, reason(js, err))
	default:
		state.Differs = consumerDifferences(consumer.CachedInfo().Config, ConsumerConfig())
	}
	return append(out, state), nil
}
