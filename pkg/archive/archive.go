// Package archive reads the events that the streams hold: the archive of all that Stripe sent, and the dead
// letters. It needs no more than an operator's rights.
package archive

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/stream"
)

// fetchSize is how many messages are asked for ahead; a message is some 3 kB.
const fetchSize = 2048

// heartbeat is how soon a server that has gone away is noticed.
const heartbeat = 5 * time.Second

// Message is a stored event.
type Message struct {
	Sequence uint64
	Stored   time.Time
	Subject  string
	Header   nats.Header
	Body     []byte
}

// EventID is Stripe's id of the event.
func (m Message) EventID() string { return m.Header.Get(stream.HeaderEventID) }

// EventType is Stripe's type of the event.
func (m Message) EventType() string { return m.Header.Get(stream.HeaderEventType) }

// ReceivedAt is when the ingester took the event; zero where the header does not say.
func (m Message) ReceivedAt() time.Time {
	at, err := time.Parse(time.RFC3339, m.Header.Get(stream.HeaderReceivedAt))
	if err != nil {
		return time.Time{}
	}
	return at
}

// CreatedAt is when Stripe made the event, to the second; zero where the header does not say.
func (m Message) CreatedAt() time.Time {
	text := m.Header.Get(stream.HeaderCreated)
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds > 0 {
		return time.Unix(seconds, 0).UTC()
	}
	at, err := time.Parse(time.RFC3339, text) // of a v2 event
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// Archive is one stream. It is safe for concurrent use.
type Archive struct {
	js     jetstream.JetStream
	name   string
	prefix string // of its subjects
}

// Events is the archive of Stripe's events.
func Events(js jetstream.JetStream) *Archive {
	return &Archive{js, stream.Events, stream.SubjectPrefix}
}

// DeadLetters is the archive of events that could not be settled.
func DeadLetters(js jetstream.JetStream) *Archive {
	return &Archive{js, stream.DeadLetters, stream.DeadSubjectPrefix}
}

// ErrNotFound is returned by Get where no message has the sequence.
var ErrNotFound = errors.New("no stored event has this sequence")

// Info describes the stream as it is now.
func (a *Archive) Info(ctx context.Context) (*jetstream.StreamInfo, error) {
	s, err := a.stream(ctx)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

func (a *Archive) stream(ctx context.Context) (jetstream.Stream, error) {
	s, err := a.js.Stream(ctx, a.name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("stream %s is not there: run `guichet setup`", a.name)
	}
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", a.name, err)
	}
	return s, nil
}

// Get returns the message of a sequence, or ErrNotFound.
func (a *Archive) Get(ctx context.Context, sequence uint64) (Message, error) {
	s, err := a.stream(ctx)
	if err != nil {
		return Message{}, err
	}
	raw, err := s.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Message{}, fmt.Errorf("%w: %d in %s", ErrNotFound, sequence, a.name)
	}
	if err != nil {
		return Message{}, fmt.Errorf("read message %d of %s: %w", sequence, a.name, err)
	}
	return stored(raw), nil
}

func stored(raw *jetstream.RawStreamMsg) Message {
	return Message{Sequence: raw.Sequence, Stored: raw.Time, Subject: raw.Subject, Header: raw.Header, Body: raw.Data}
}

// Delete takes a message out of the stream and overwrites its bytes on disk; one that is not there any more is no error.
func (a *Archive) Delete(ctx context.Context, sequence uint64) error {
	s, err := a.stream(ctx)
	if err != nil {
		return err
	}
	err = s.SecureDeleteMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) { // the reason is text alone
		if _, gone := s.GetMsg(ctx, sequence); errors.Is(gone, jetstream.ErrMsgNotFound) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("delete message %d of %s: %w", sequence, a.name, err)
	}
	return nil
}
