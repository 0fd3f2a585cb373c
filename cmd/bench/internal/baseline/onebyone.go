package baseline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// RunOneByOne consumes the stream with a number of goroutines, each of which settles one event a transaction,
// with the same statements as the worker, and acknowledges it after its commit.
func RunOneByOne(ctx context.Context) error {
	workers, err := strconv.Atoi(os.Getenv(WorkersVariable))
	if err != nil {
		return fmt.Errorf("%s: %w", WorkersVariable, err)
	}
	s, err := store.Open(ctx, os.Getenv(DatabaseVariable), StoreOptions(workers))
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	conn, err := nats.Connect(os.Getenv(NATSVariable))
	if err != nil {
		return fmt.Errorf("%s: %w", NATSVariable, err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	consumer, err := js.Consumer(ctx, stream.Events, stream.Consumer)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, messages.Stop)()
	group, ctx := errgroup.WithContext(ctx)
	for range workers {
		group.Go(func() error {
			for {
				if err := oneEvent(ctx, s, messages); err != nil {
					messages.Stop()
					return ended(ctx, err)
				}
			}
		})
	}
	return group.Wait()
}

func oneEvent(ctx context.Context, s *store.Store, messages jetstream.MessagesContext) error {
	msg, err := messages.Next()
	if err != nil {
		return err
	}
	event, err := stripeevent.Decode(msg.Data(), stripeevent.Filter{})
	if err != nil {
		return err
	}
	received := store.Received{Event: event}
	if meta, err := msg.Metadata(); err == nil {
		received.Sequence = meta.Sequence.Stream
	}
	if at, err := time.Parse(time.RFC3339, msg.Headers().Get(stream.HeaderReceivedAt)); err == nil {
		received.ReceivedAt = at
	}
	if _, err := s.Process(ctx, []store.Received{received}); err != nil {
		return err
	}
	return msg.Ack()
}

// ended is the error of a goroutine, none where the program was told to end.
func ended(ctx context.Context, err error) error {
	if told := ctx.Err() != nil || errors.Is(err, jetstream.ErrMsgIteratorClosed); told {
		err = nil
	}
	return err
}
