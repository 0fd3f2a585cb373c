package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
	"github.com/educareschool/guichet/pkg/tracing"
)

// batchSize is how many events go into one transaction at the most. Measured: the rate still grows up to
// about a thousand.
const batchSize = 1024

// message is an event on its way from the stream to an acknowledgement.
type message struct {
	jetstream.Msg
	sequence   uint64
	deliveries uint64
	event      store.Received
	undecoded  error
	span       tracing.Span
}

// consume takes messages until ctx ends, then finishes those it has: their transactions run on work, which
// outlives ctx by the grace of a stop. A consumer that was deleted is waited for anew.
func (w *worker) consume(ctx, work context.Context) error {
	for {
		consumer := w.awaitConsumer(ctx)
		if consumer == nil {
			return nil
		}
		if err := w.drain(ctx, work, consumer); err != nil {
			return err
		}
		if !pause(ctx, backoff(0)) {
			return nil
		}
		w.log.Warn("The stream's consumer went away")
	}
}

// drain handles the consumer's messages until ctx ends or the consumer does.
func (w *worker) drain(ctx, work context.Context, consumer jetstream.Consumer) error {
	messages, err := consumer.Messages(jetstream.PullMaxMessages(batchSize), jetstream.PullExpiry(5*time.Second))
	if err != nil {
		return fmt.Errorf("consume %s: %w", stream.Events, err)
	}
	stop := context.AfterFunc(ctx, messages.Drain)
	defer stop()

	alive, end := context.WithCancel(work)
	defer end()
	go w.held.keepAlive(alive, consumer.CachedInfo().Config.AckWait/3)

	incoming := make(chan *message, batchSize)
	go func() {
		defer close(incoming)
		w.receive(messages, incoming)
	}()
	after := make(chan func(), 1)
	var answering sync.WaitGroup
	answering.Go(func() {
		for do := range after { // while the next batch is in its transaction
			do()
		}
	})
	s := settler{worker: w, after: after}
	for first := range incoming {
		s.handle(work, take(first, incoming))
		if len(incoming) == 0 {
			s.finish(work)
		}
	}
	close(after)
	answering.Wait()
	return nil
}

// awaitConsumer waits until NATS answers and `guichet setup` has run; it returns nil when ctx ends first.
func (w *worker) awaitConsumer(ctx context.Context) jetstream.Consumer {
	for try := 0; ; try++ {
		consumer, err := w.js.Consumer(ctx, stream.Events, stream.Consumer)
		if err == nil {
			w.consuming.Store(true)
			return consumer
		}
		if ctx.Err() != nil {
			return nil
		}
		hint := "waiting for NATS"
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
			hint = "run `guichet setup`"
		}
		w.log.Warn("The stream's consumer is not there yet", zap.String("hint", hint), zap.Error(err))
		if !pause(ctx, backoff(try)) {
			return nil
		}
	}
}

// receive decodes messages as they come, while the batch before them is in its transaction.
func (w *worker) receive(messages jetstream.MessagesContext, out chan<- *message) {
	for {
		msg, err := messages.Next()
		switch {
		case errors.Is(err, jetstream.ErrMsgIteratorClosed), errors.Is(err, nats.ErrConnectionClosed):
			return
		case errors.Is(err, jetstream.ErrNoHeartbeat): // the lost connection is logged by itself
			continue
		case err != nil:
			w.log.Warn("No messages from NATS", zap.Error(err))
			continue
		}
		m := w.decode(msg)
		w.held.add(m)
		out <- m
	}
}

func (w *worker) decode(msg jetstream.Msg) *message {
	m := &message{Msg: msg}
	if meta, err := msg.Metadata(); err == nil {
		m.sequence, m.deliveries = meta.Sequence.Stream, meta.NumDelivered
	}
	if m.deliveries > 1 {
		w.metrics.redelivered.Inc()
	}
	w.startSpan(m)
	event, err := stripeevent.Decode(msg.Data(), w.filter)
	if err != nil {
		m.undecoded = err
		m.event.ID, m.event.Type = msg.Headers().Get(stream.HeaderEventID), msg.Headers().Get(stream.HeaderEventType) // for the log
		return m
	}
	m.event = store.Received{Event: event, Sequence: m.sequence}
	if m.span.Sampled() {
		m.span.Set("guichet.registration.id", event.Registration)
		m.event.Traceparent = m.span.Traceparent()
	}
	if at, err := time.Parse(time.RFC3339, msg.Headers().Get(stream.HeaderReceivedAt)); err == nil {
		m.event.ReceivedAt = at
	}
	return m
}

// take returns first and what else is there already, up to a batch: it never waits for a full one.
func take(first *message, incoming <-chan *message) []*message {
	batch := []*message{first}
	for len(batch) < batchSize {
		select {
		case m, ok := <-incoming:
			if !ok {
				return batch
			}
			batch = append(batch, m)
		default:
			return batch
		}
	}
	return batch
}
