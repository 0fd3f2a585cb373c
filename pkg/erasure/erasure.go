// Package erasure takes a person out of what Guichet holds: out of their registration's row and the outbox, and
// with them all that Stripe sent about that registration out of the streams. What is needed for the books stays:
// status, amounts, history and facts, none of which names anybody.
package erasure

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
)

// Plan is what an erasure will do.
type Plan struct {
	store.Personal
	Messages    int `json:"messages"`     // about the registration, in the stream of events, that can go
	DeadLetters int `json:"dead_letters"` // about it, which go too: what they tell is lost
	// Unsettled are messages about it that no worker has settled: they stay until that is done, for the books need
	// what they tell.
	Unsettled int `json:"unsettled"`

	messages, letters []uint64 // sequences
}

// Empty says whether there is nothing to do.
func (p Plan) Empty() bool { return p.Personal.Empty() && p.Messages == 0 && p.DeadLetters == 0 }

// Look finds what an erasure will do, and changes nothing. It reads both streams whole; seen, if not nil, is told
// how far it is with the events. Without such a registration it returns store.ErrUnknownRegistration.
func Look(ctx context.Context, db *store.Store, js jetstream.JetStream, registration string, seen func(done, total uint64)) (Plan, error) {
	personal, err := db.Personal(ctx, registration)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Personal: personal}
	about := matcher(personal)
	dead := map[string]bool{}
	err = archive.DeadLetters(js).Scan(ctx, archive.Filter{}, nil, func(m archive.Message) error {
		if about(m) {
			p.letters = append(p.letters, m.Sequence)
			dead[m.EventID()] = true
		}
		return nil
	})
	if err != nil {
		return Plan{}, err
	}
	found, err := messages(ctx, js, about, seen)
	if err != nil {
		return Plan{}, err
	}
	stored, err := inInbox(ctx, db, found)
	if err != nil {
		return Plan{}, err
	}
	for _, m := range found {
		if stored[m.event] || dead[m.event] {
			p.messages = append(p.messages, m.sequence)
		} else {
			p.Unsettled++
		}
	}
	p.Messages, p.DeadLetters = len(p.messages), len(p.letters)
	return p, nil
}

// message is a message of the stream of events.
type message struct {
	sequence uint64
	event    string
}

func messages(ctx context.Context, js jetstream.JetStream, about func(archive.Message) bool, seen func(done, total uint64)) ([]message, error) {
	var found []message
	err := archive.Events(js).Scan(ctx, archive.Filter{}, seen, func(m archive.Message) error {
		if about(m) {
			found = append(found, message{m.Sequence, m.EventID()})
		}
		return nil
	})
	return found, err
}

func inInbox(ctx context.Context, db *store.Store, found []message) (map[string]bool, error) {
	ids := make([]string, len(found))
	for i, m := range found {
		ids[i] = m.event
	}
	return db.Stored(ctx, ids)
}

// matcher says whether a message is of one of the events, or mentions one of the ids.
func matcher(p store.Personal) func(archive.Message) bool {
	events := make(map[string]bool, len(p.Events))
	for _, id := range p.Events {
		events[id] = true
	}
	var mentions [][]byte
	for _, id := range p.IDs {
		quoted, _ := json.Marshal(id) // a string always can
		mentions = append(mentions, quoted)
	}
	return func(m archive.Message) bool {
		if events[m.EventID()] {
			return true
		}
		for _, quoted := range mentions {
			if bytes.Contains(m.Body, quoted) {
				return true
			}
		}
		// Of an id that JSON may write in more than one way.
		return gjson.GetBytes(m.Body, "data.object.metadata.registrationId").Str == p.Registration
	}
}

// Apply does what was planned. The streams' servers overwrite the bytes of what is deleted. Cut off, it can be
// planned and applied again.
func Apply(ctx context.Context, db *store.Store, js jetstream.JetStream, p Plan, seen func(done, total uint64)) error {
	if err := db.Erase(ctx, p.Registration); err != nil {
		return err
	}
	done, total := uint64(0), uint64(len(p.letters)+len(p.messages))
	for _, part := range []struct {
		from      *archive.Archive
		name      string
		sequences []uint64
	}{
		{archive.DeadLetters(js), stream.DeadLetters, p.letters}, {archive.Events(js), stream.Events, p.messages},
	} {
		for _, sequence := range part.sequences {
			if err := part.from.Delete(ctx, sequence); err != nil {
				return fmt.Errorf("erase from %s: %w", part.name, err)
			}
			if done++; seen != nil {
				seen(done, total)
			}
		}
	}
	return nil
}
