// Package replay runs events that the stream holds through the store again, as the worker does, and says beforehand
// what that would change.
package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// Entry is a stored event as the worker reads it.
type Entry struct {
	Sequence uint64
	Stored   time.Time
	EventID  string // as its header says
	Event    store.Received
	Err      error // wraps stripeevent.ErrUndecodable where there is no Event
}

// Read decodes a stored event.
func Read(m archive.Message, filter stripeevent.Filter) Entry {
	e := Entry{Sequence: m.Sequence, Stored: m.Stored, EventID: m.EventID()}
	var event stripeevent.Event
	if event, e.Err = stripeevent.Decode(m.Body, filter); e.Err == nil {
		e.Event = store.Received{Event: event, Sequence: m.Sequence, ReceivedAt: m.ReceivedAt()}
	}
	return e
}

// Processed returns the sequence up to which the workers have processed the stream. Without their consumer nobody
// ever will, and all counts as processed.
func Processed(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	consumer, err := js.Consumer(ctx, stream.Events, stream.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return math.MaxUint64, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up consumer %s: %w", stream.Consumer, err)
	}
	info := consumer.CachedInfo()
	if info.NumPending == 0 && info.NumAckPending == 0 {
		return max(info.AckFloor.Stream, info.Delivered.Stream), nil
	}
	return info.AckFloor.Stream, nil
}
