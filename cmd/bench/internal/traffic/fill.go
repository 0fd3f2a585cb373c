package traffic

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// fillSize is how many events are stored in one atomic batch.
const fillSize = 500

// Fill stores events in the stream as the ingester does, in their order.
func Fill(ctx context.Context, js jetstream.JetStream, events []Event) error {
	for len(events) > 0 {
		n := min(fillSize, len(events))
		messages := make([]*nats.Msg, n)
		for i, e := range events[:n] {
			messages[i] = e.message()
		}
		if _, err := jetstreamext.PublishMsgBatch(ctx, js, messages, jetstreamext.BatchFlowControl{AckFirst: false}); err != nil {
			return fmt.Errorf("fill the stream: %w", err)
		}
		events = events[n:]
	}
	return nil
}

func (e Event) message() *nats.Msg {
	return stream.Event{
		Envelope:    stripeevent.Envelope{ID: e.ID, Type: e.Type(), Created: e.created},
		Body:        e.Body(nil),
		ReceivedAt:  e.arrives.UTC().Format(stream.TimeFormat),
		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}.Message()
}

// End is the number of the stream's last message.
func End(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := js.Stream(ctx, stream.Events)
	if err != nil {
		return 0, fmt.Errorf("end of the stream: %w", err)
	}
	return s.CachedInfo().State.LastSeq, nil
}
