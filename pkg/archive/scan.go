package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrStop ends a scan early, without an error.
var ErrStop = errors.New("enough")

// Scan calls each with the messages that the filter picks of those stored when it began, in their order. Its
// memory does not grow with their number. It ends at each's first error; ErrStop is none. Seen, if not nil, is
// told how many messages were looked at and how many there are to look at, as the server counts by type and start.
func (a *Archive) Scan(ctx context.Context, f Filter, seen func(done, total uint64), each func(Message) error) error {
	if err := f.Validate(); err != nil {
		return err
	}
	info, err := a.Info(ctx)
	if err != nil {
		return err
	}
	last := info.State.LastSeq
	if f.To > 0 {
		last = min(last, f.To)
	}
	if info.State.Msgs == 0 || f.From > last {
		return nil
	}
	consumer, err := a.js.OrderedConsumer(ctx, a.name, f.consumer(a.prefix))
	if err != nil {
		return fmt.Errorf("read stream %s: %w", a.name, err)
	}
	start := consumer.CachedInfo() // as it was made: an operator may not ask for it
	total := start.NumPending + uint64(max(start.NumAckPending, 0))
	if total == 0 {
		return nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(fetchSize), jetstream.PullHeartbeat(heartbeat), jetstream.PullExpiry(2*heartbeat))
	if err != nil {
		return fmt.Errorf("read stream %s: %w", a.name, err)
	}
	defer messages.Stop()
	return scan(ctx, messages, f, last, total, seen, each)
}

func scan(ctx context.Context, messages jetstream.MessagesContext, f Filter, last, total uint64, seen func(done, total uint64), each func(Message) error) error {
	matches := f.matcher()
	for done := uint64(1); ; done++ {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		m := message(msg, meta)
		if m.Sequence > last || !f.Until.IsZero() && !m.Stored.Before(f.Until) {
			return nil
		}
		if matches(m) {
			if err := each(m); errors.Is(err, ErrStop) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if seen != nil {
			seen(done, max(total, done))
		}
		if m.Sequence == last || meta.NumPending == 0 {
			return nil
		}
	}
}

func message(msg jetstream.Msg, meta *jetstream.MsgMetadata) Message {
	return Message{Sequence: meta.Sequence.Stream, Stored: meta.Timestamp, Subject: msg.Subject(), Header: msg.Headers(), Body: msg.Data()}
}

// consumer lets the server leave out what it can.
func (f Filter) consumer(prefix string) jetstream.OrderedConsumerConfig {
	c := jetstream.OrderedConsumerConfig{FilterSubjects: f.subjects(prefix), InactiveThreshold: time.Minute, MaxResetAttempts: 5}
	switch {
	case f.From > 1:
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.From
	case !f.Since.IsZero():
		c.DeliverPolicy, c.OptStartTime = jetstream.DeliverByStartTimePolicy, &f.Since
	}
	return c
}
