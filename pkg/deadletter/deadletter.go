// Package deadletter reads the events that could not be settled, and puts them back into the stream once what
// was wrong with them, or with Guichet, is mended.
package deadletter

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/stream"
)

// Letter is a dead letter. Its Sequence is its own, in the stream of dead letters.
type Letter struct {
	archive.Message
	Reason     string
	Event      uint64 // sequence of the event in the stream of events; 0 where the header does not say
	Deliveries uint64
	At         time.Time // zero where the header does not say
}

// Read reads a stored dead letter.
func Read(m archive.Message) Letter {
	number := func(header string) uint64 {
		n, _ := strconv.ParseUint(m.Header.Get(header), 10, 64) // 0 where it is none
		return n
	}
	at, _ := time.Parse(time.RFC3339, m.Header.Get(stream.HeaderDeadAt)) // zero where it is none
	return Letter{
		Message: m, Reason: m.Header.Get(stream.HeaderDeadReason),
		Event: number(stream.HeaderDeadSequence), Deliveries: number(stream.HeaderDeadDeliveries), At: at,
	}
}

// Redrive puts the event of a dead letter back into the stream, as it was when it came, and then deletes the
// letter. Whoever dies between the two does it again: the message id is the same each time, so that the event is
// stored once, for as long as the stream's duplicate window.
func Redrive(ctx context.Context, js jetstream.JetStream, l Letter) error {
	if _, err := stream.Store(ctx, js, event(l)); err != nil {
		return err
	}
	return Drop(ctx, js, l.Sequence)
}

// Drop deletes a dead letter; one that is gone is no error.
func Drop(ctx context.Context, js jetstream.JetStream, sequence uint64) error {
	return archive.DeadLetters(js).Delete(ctx, sequence)
}

// Get returns the dead letter of a sequence; archive.ErrNotFound where it is gone.
func Get(ctx context.Context, js jetstream.JetStream, sequence uint64) (Letter, error) {
	m, err := archive.DeadLetters(js).Get(ctx, sequence)
	return Read(m), err
}

// event is what was stored before it died, under another message id: JetStream would take the old one for a
// duplicate. A letter of a stream that was made anew has another time, and so another id.
func event(l Letter) *nats.Msg {
	m := nats.NewMsg(stream.SubjectPrefix + strings.TrimPrefix(l.Subject, stream.DeadSubjectPrefix))
	m.Data = l.Body
	for name, values := range l.Header {
		if !strings.HasPrefix(name, "Nats-") && !strings.HasPrefix(name, stream.HeaderDeadPrefix) {
			m.Header[name] = values
		}
	}
	m.Header.Set(stream.HeaderMsgID, fmt.Sprintf("%s#redrive-%d-%d", l.EventID(), l.Sequence, l.Stored.UnixNano()))
	return m
}
