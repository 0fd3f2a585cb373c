package place

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/stream"
)

// NATSRole is the name of the nats-server among this program's roles.
const NATSRole = "nats-server"

// Settings of that role.
const (
	natsDirVariable  = "GUICHET_BENCH_NATS_DIR"
	natsPortVariable = "GUICHET_BENCH_NATS_PORT"
	natsLazyVariable = "GUICHET_BENCH_NATS_LAZY"
)

// NATS is a nats-server in a process of its own.
type NATS struct {
	*Program
	URL  string
	JS   jetstream.JetStream
	conn *nats.Conn
}

// StartNATS starts a nats-server that syncs every write, or lazily with NATS's default, and makes the streams.
func (p *Place) StartNATS(ctx context.Context, lazy bool) (*NATS, error) {
	dir, err := p.Dir("nats")
	if err != nil {
		return nil, err
	}
	address, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	program, err := p.Role(NATSRole, Env{
		natsDirVariable: dir, natsPortVariable: port, natsLazyVariable: strconv.FormatBool(lazy),
	}, nil)
	if err != nil {
		return nil, err
	}
	n := &NATS{Program: program, URL: "nats://" + address}
	p.stops = append(p.stops, n.Stop)
	err = program.Await(ctx, func(context.Context) error {
		n.conn, err = nats.Connect(n.URL, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
		return err
	})
	if err != nil {
		return nil, err
	}
	if n.JS, err = jetstream.New(n.conn); err != nil {
		return nil, err
	}
	return n, n.Fresh(ctx)
}

// RunNATS is the role: it serves until ctx ends.
func RunNATS(ctx context.Context) error {
	port, err := strconv.Atoi(os.Getenv(natsPortVariable))
	if err != nil {
		return fmt.Errorf("%s: %w", natsPortVariable, err)
	}
	server, err := localnats.Start(localnats.Options{
		Dir: os.Getenv(natsDirVariable), Port: port, Lazy: os.Getenv(natsLazyVariable) == "true",
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	server.Stop()
	return nil
}

// Fresh makes the streams anew, as guichet setup does, with nothing in them.
func (n *NATS) Fresh(ctx context.Context) error {
	for _, name := range []string{stream.Events, stream.DeadLetters} {
		if err := n.JS.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("delete stream %s: %w", name, err)
		}
	}
	for {
		_, err := stream.Setup(ctx, n.JS, stream.Config{
			MaxAge: 840 * time.Hour, MaxBytes: 32 << 30, DuplicateWindow: 24 * time.Hour, Replicas: 1,
		})
		// The server removes a deleted stream's files after it has said so.
		var refused *jetstream.APIError
		if !errors.As(err, &refused) || refused.ErrorCode != storeNotCreated {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(removalPoll):
		}
	}
}

const (
	storeNotCreated jetstream.ErrorCode = 10049
	removalPoll                         = 20 * time.Millisecond
)

// Stop ends the server.
func (n *NATS) Stop() error {
	if n.conn != nil {
		n.conn.Close()
	}
	return n.Program.Stop()
}

// Consumer makes the worker's consumer anew: it begins at a message of the stream, and delivers nothing until
// Release.
func (n *NATS) Consumer(ctx context.Context, from uint64) error {
	if err := n.JS.DeleteConsumer(ctx, stream.Events, stream.Consumer); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("delete the consumer: %w", err)
	}
	config := stream.ConsumerConfig()
	config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from
	until := time.Now().Add(time.Hour)
	config.PauseUntil = &until
	if _, err := n.JS.CreateConsumer(ctx, stream.Events, config); err != nil {
		return fmt.Errorf("make the consumer: %w", err)
	}
	return nil
}

// Release lets the consumer deliver, and returns when it begins to. Ending a pause at once would tell nobody who
// waits for messages; the end of a short one does.
func (n *NATS) Release(ctx context.Context) error {
	const soon = 50 * time.Millisecond
	until := time.Now().Add(soon)
	if _, err := n.JS.PauseConsumer(ctx, stream.Events, stream.Consumer, until); err != nil {
		return fmt.Errorf("release the consumer: %w", err)
	}
	select {
	case <-time.After(time.Until(until)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Lag is how many messages the consumer has not had acknowledged yet.
func (n *NATS) Lag(ctx context.Context) (uint64, error) {
	consumer, err := n.JS.Consumer(ctx, stream.Events, stream.Consumer)
	if err != nil {
		return 0, fmt.Errorf("lag of the consumer: %w", err)
	}
	info := consumer.CachedInfo()
	return info.NumPending + uint64(max(info.NumAckPending, 0)), nil
}

// drainPoll is how often the lag is asked for: seldom enough to cost nothing, often enough to be exact to a per cent.
const drainPoll = 5 * time.Millisecond

// AwaitDrained returns when nothing is left to acknowledge.
func (n *NATS) AwaitDrained(ctx context.Context) error {
	for {
		lag, err := n.Lag(ctx)
		if err != nil || lag == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(drainPoll):
		}
	}
}

// Waiting is how many pulls wait for messages.
func (n *NATS) Waiting(ctx context.Context) (int, error) {
	consumer, err := n.JS.Consumer(ctx, stream.Events, stream.Consumer)
	if err != nil {
		return 0, fmt.Errorf("pulls of the consumer: %w", err)
	}
	return consumer.CachedInfo().NumWaiting, nil
}
