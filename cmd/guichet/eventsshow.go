package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/deadletter"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

type eventsShow struct {
	Event string `arg:"" help:"Id of the event." placeholder:"evt_…"`
	Raw   bool   `help:"Show it byte for byte as Stripe signed it, with names and addresses."`
}

// Help shows an example.
func (eventsShow) Help() string {
	return `Names, addresses, phones, secrets and all text that is neither an id nor a code nor Stripe's own are shown as
***; --raw shows them. It is found by its sequence, which the database knows; without a database the stream is looked
through. Dead letters are looked through too.

    guichet events show evt_1AbC
    guichet events show evt_1AbC --raw --output json

Settings (environment): NATS_URL and DATABASE_URL, also as …_FILE or as Docker secrets.`
}

// shownEvent is an event with what is known of it.
type shownEvent struct {
	Event    string              `json:"event"`
	Stream   string              `json:"stream"`
	Sequence uint64              `json:"sequence"`
	StoredAt time.Time           `json:"stored_at"`
	Headers  map[string][]string `json:"headers"`
	// Inbox is what the database says of it; nil where it has not come there, or is away.
	Inbox       *store.Entry    `json:"inbox,omitempty"`
	DeadLetters []died          `json:"dead_letters,omitempty"`
	Body        json.RawMessage `json:"body,omitempty"`  // unless it is not JSON
	Bytes       []byte          `json:"bytes,omitempty"` // exactly as signed, where that is wanted
	size        int
}

// died is one time that the event could not be settled.
type died struct {
	Sequence   uint64    `json:"sequence"`
	At         time.Time `json:"at,omitzero"`
	Deliveries uint64    `json:"deliveries,omitempty"`
	Reason     string    `json:"reason"`
}

// Run shows an event.
func (c eventsShow) Run(ctx context.Context, g globals, s surroundings) error {
	conn, js, err := g.dialStream(ctx, s)
	if err != nil {
		return err
	}
	defer conn.Close()
	entry, err := c.inbox(ctx, g, s)
	if err != nil {
		_, _ = fmt.Fprintf(s.Stderr, "The database is not asked, so the stream is looked through: %v\n", err)
	}
	if entry != nil && entry.Source != string(registration.FromStripe) {
		return fmt.Errorf("%s is a fact of Guichet's own, which no event told: `guichet trace %s` shows it", entry.ID, entry.RegistrationID)
	}
	message, letters, err := c.find(ctx, s, js, entry)
	if err != nil {
		return err
	}
	if message == nil {
		return c.missing(entry)
	}
	found := shownEvent{
		Event: c.Event, Stream: stream.Events, Sequence: message.Sequence, StoredAt: message.Stored.UTC(), Headers: message.Header, Inbox: entry,
	}
	if _, dead := message.Header[stream.HeaderDeadReason]; dead {
		found.Stream = stream.DeadLetters
	}
	for _, m := range letters {
		l := deadletter.Read(m)
		found.DeadLetters = append(found.DeadLetters, died{l.Sequence, l.At, l.Deliveries, l.Reason})
	}
	if err := found.body(message.Body, c.Raw); err != nil {
		return err
	}
	return found.print(g, s.Stdout)
}

// inbox asks the database; nil where the event is not in the inbox. An error says why it could not be asked.
func (c eventsShow) inbox(ctx context.Context, g globals, s surroundings) (*store.Entry, error) {
	db, err := g.openStore(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	entry, err := db.Entry(ctx, c.Event)
	if errors.Is(err, store.ErrNoSuchEvent) {
		return nil, nil
	}
	return &entry, err
}

// find returns the event as the stream holds it, else as the dead letters do, and its dead letters.
func (c eventsShow) find(ctx context.Context, s surroundings, js jetstream.JetStream, entry *store.Entry) (*archive.Message, []archive.Message, error) {
	var letters []archive.Message
	wanted := archive.Filter{IDs: []string{c.Event}}
	err := archive.DeadLetters(js).Scan(ctx, wanted, nil, func(m archive.Message) error {
		letters = append(letters, m)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	events := archive.Events(js)
	if entry != nil {
		m, err := events.Get(ctx, uint64(entry.Sequence)) // #nosec G115 -- a sequence
		if err == nil && m.EventID() == c.Event {
			return &m, letters, nil
		}
		if err != nil && !errors.Is(err, archive.ErrNotFound) {
			return nil, nil, err
		}
	}
	line := s.progress("events")
	found, err := events.Newest(ctx, wanted, 1, line.at)
	line.end()
	switch {
	case err != nil:
		return nil, nil, err
	case len(found) > 0:
		return &found[0], letters, nil
	case len(letters) > 0:
		return &letters[len(letters)-1], letters, nil
	}
	return nil, nil, nil
}

func (c eventsShow) missing(entry *store.Entry) error {
	if entry == nil {
		return fmt.Errorf("%s is neither in the stream nor among the dead letters, nor in the inbox: was it sent to this endpoint? `guichet backfill` asks Stripe for what it could not deliver", c.Event)
	}
	return fmt.Errorf("%s was processed at %s (%s), and the stream holds it no longer: `guichet trace %s` shows what it told",
		c.Event, shown(entry.StoredAt), entry.Outcome, c.Event)
}

// body fills in the body, masked unless all of it is wanted.
func (e *shownEvent) body(raw []byte, all bool) error {
	if e.size = len(raw); all {
		e.Bytes = raw
	}
	if !json.Valid(raw) {
		return nil
	}
	if e.Body = raw; all {
		return nil
	}
	var err error
	e.Body, err = stripeevent.Mask(raw)
	return err
}

func (e shownEvent) print(g globals, w io.Writer) error {
	rows := [][]string{{"stored", fmt.Sprintf("%s, as %d of %s", shown(e.StoredAt), e.Sequence, e.Stream)}}
	if e.Inbox != nil {
		rows = append(rows, []string{"processed", shown(e.Inbox.StoredAt) + ", " + inWords(*e.Inbox)})
	} else {
		rows = append(rows, []string{"processed", "not that the database knew"})
	}
	for _, d := range e.DeadLetters {
		rows = append(rows, []string{"dead letter", fmt.Sprintf("%s, as %d of %s: %s", shown(d.At), d.Sequence, stream.DeadLetters, d.Reason)})
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		for _, value := range e.Headers[name] {
			rows = append(rows, []string{name, value})
		}
	}
	if err := g.print(w, e, rows); err != nil || g.Output == "json" {
		return err
	}
	text := fmt.Sprintf("(%d bytes that are no JSON; --raw shows them)", e.size)
	switch {
	case e.Bytes != nil:
		text = string(e.Bytes)
	case e.Body != nil:
		text = string(e.Body)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.TrimRight(text, "\n"))
	return err
}

// inWords says what became of an event.
func inWords(e store.Entry) string {
	switch e.Outcome {
	case store.EventSettled:
		return "of registration " + e.RegistrationID
	case store.EventWaiting:
		if e.Ref != "" {
			return "waiting for registration " + e.Ref
		}
		return "waiting: nothing tells yet whose it is"
	}
	return "ignored: " + e.Reason
}
