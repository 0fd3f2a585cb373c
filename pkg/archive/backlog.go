package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/stream"
)

// Backlog is what the workers have not processed yet.
type Backlog struct {
	Pending uint64 // delivered to none yet; the server counts an event a little after it acknowledged it
	InWork  uint64 // delivered, and not acknowledged yet
	// Floor is the sequence up to which all are processed.
	Floor uint64
	// Oldest is when the oldest unprocessed event was stored; zero where there is none.
	Oldest time.Time
	// Waiting is how many requests of workers wait for events: with none, no worker runs, or all have their hands full.
	Waiting int
}

// Events is how many events are not processed.
func (b Backlog) Events() uint64 { return b.Pending + b.InWork }

// Backlog asks the consumer of the workers.
func (a *Archive) Backlog(ctx context.Context) (Backlog, error) {
	consumer, err := a.js.Consumer(ctx, a.name, stream.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return Backlog{}, fmt.Errorf("consumer %s of stream %s is not there: run `guichet setup`", stream.Consumer, a.name)
	}
	if err != nil {
		return Backlog{}, fmt.Errorf("look up consumer %s: %w", stream.Consumer, err)
	}
	info := consumer.CachedInfo()
	b := Backlog{
		Pending: info.NumPending, InWork: uint64(max(info.NumAckPending, 0)), Floor: info.AckFloor.Stream, Waiting: info.NumWaiting,
	}
	if b.Events() == 0 {
		return b, nil
	}
	oldest, err := a.Next(ctx, b.Floor+1)
	if err != nil && !errors.Is(err, ErrNotFound) { // it may be deleted, or processed, meanwhile
		return Backlog{}, err
	}
	b.Oldest = oldest.Stored
	return b, nil
}
