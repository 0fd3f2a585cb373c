package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// storeTimeout bounds the storing of one event.
const storeTimeout = 5 * time.Second

// ErrMayNotPublish is that the NATS user has not the right to store events.
var ErrMayNotPublish = errors.New("the user of NATS_URL may not publish " + SubjectPrefix + ">")

// Store puts a message into the stream of events and returns once it is on disk, and whether one with its
// Nats-Msg-Id was there before. It is for whoever brings in one event after another; the ingester has its own way.
func Store(ctx context.Context, js jetstream.JetStream, m *nats.Msg) (duplicate bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	ack, err := js.PublishMsg(bounded, m, jetstream.WithExpectStream(Events))
	switch {
	case err == nil:
		return ack.Duplicate, nil
	case ctx.Err() == nil && errors.Is(reason(js, err), nats.ErrPermissionViolation): // the server does not answer such a publish
		err = ErrMayNotPublish
	}
	return false, fmt.Errorf("store %s: %w", m.Header.Get(HeaderEventID), err)
}
