package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/deadletter"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/timeline"
)

// mostFound is how many events of the whole stream a search shows: the newest.
const mostFound = 100

// tracing looks into the streams for what the database does not tell of an id.
type tracing struct {
	id       string
	search   bool
	db       *store.Store
	progress *progress
}

// beyond returns what the streams hold, with an error where they could not be asked. The story is read anew where
// a worker came to an event meanwhile.
func (t tracing) beyond(ctx context.Context, g globals, s surroundings, story *store.Story) (timeline.Beyond, error) {
	conn, js, err := g.dialStream(ctx, s)
	if err != nil {
		return timeline.Beyond{}, err
	}
	defer conn.Close()
	keys := append(story.Keys(), t.id)
	var b timeline.Beyond
	if err := t.unprocessed(ctx, js, keys, &b); err != nil {
		return b, err
	}
	if err := t.dead(ctx, js, keys, &b); err != nil {
		return b, err
	}
	if err := t.processedMeanwhile(ctx, story, &b); err != nil {
		return b, err
	}
	nowhere := !story.Known() && len(b.Unprocessed)+len(b.Dead) == 0
	if !t.search && !nowhere {
		return b, nil
	}
	return b, t.found(ctx, js, keys, *story, &b)
}

// unprocessed looks through what no worker has acknowledged.
func (t tracing) unprocessed(ctx context.Context, js jetstream.JetStream, keys []string, b *timeline.Beyond) error {
	events := archive.Events(js)
	backlog, err := events.Backlog(ctx)
	if err != nil || backlog.Events() == 0 {
		return err
	}
	b.Behind = backlog.Events()
	return events.Scan(ctx, archive.Filter{From: backlog.Floor + 1, MentionsAny: keys}, t.progress.at, func(m archive.Message) error {
		b.Unprocessed = append(b.Unprocessed, stored(m))
		return nil
	})
}

func (t tracing) dead(ctx context.Context, js jetstream.JetStream, keys []string, b *timeline.Beyond) error {
	return archive.DeadLetters(js).Scan(ctx, archive.Filter{MentionsAny: keys}, nil, func(m archive.Message) error {
		letter := stored(m)
		letter.Reason = deadletter.Read(m).Reason
		b.Dead = append(b.Dead, letter)
		return nil
	})
}

func stored(m archive.Message) timeline.Stored {
	return timeline.Stored{
		ID: m.EventID(), Type: m.EventType(), Sequence: m.Sequence, Created: m.CreatedAt(), ReceivedAt: m.ReceivedAt(), StoredAt: m.Stored,
	}
}

// processedMeanwhile leaves out what the inbox has, and reads the story anew where that is new to it. Dead letters
// are not unprocessed either: their reason is known.
func (t tracing) processedMeanwhile(ctx context.Context, story *store.Story, b *timeline.Beyond) error {
	if len(b.Unprocessed) == 0 {
		return nil
	}
	ids := make([]string, 0, len(b.Unprocessed))
	for _, e := range b.Unprocessed {
		ids = append(ids, e.ID)
	}
	entries, err := t.db.Entries(ctx, ids)
	if err != nil {
		return err
	}
	b.Unprocessed = slices.DeleteFunc(b.Unprocessed, func(e timeline.Stored) bool {
		return slices.ContainsFunc(entries, func(in store.Entry) bool { return in.ID == e.ID }) ||
			slices.ContainsFunc(b.Dead, func(d timeline.Stored) bool { return d.ID == e.ID })
	})
	if len(entries) > 0 {
		*story, err = t.db.Story(ctx, t.id)
	}
	return err
}

// found looks through the whole stream for events that name it and are none of the story's.
func (t tracing) found(ctx context.Context, js jetstream.JetStream, keys []string, story store.Story, b *timeline.Beyond) error {
	messages, err := archive.Events(js).Newest(ctx, archive.Filter{MentionsAny: keys}, mostFound, t.progress.at)
	if err != nil {
		return err
	}
	var ids []string
	names := map[string]string{} // the inbox does not keep whom an ignored event names
	for _, m := range messages {
		ids = append(ids, m.EventID())
		names[m.EventID()] = readListed(m).Registration
	}
	entries, err := t.db.Entries(ctx, ids)
	if err != nil {
		return err
	}
	for _, e := range entries {
		e.Ref = cmp.Or(e.Ref, names[e.ID])
		told := func(o store.Entry) bool { return o.ID == e.ID }
		if !slices.ContainsFunc(story.Events, told) && !slices.ContainsFunc(story.Waiting, told) {
			b.Found = append(b.Found, e)
		}
	}
	return nil
}
