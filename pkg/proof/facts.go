package proof

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/deadletter"
	"github.com/educareschool/guichet/pkg/replay"
	"github.com/educareschool/guichet/pkg/store"
)

const (
	// batchSize is how many messages are compared at once, and batchesInWork how many times that. Measured: larger
	// ones are no faster, and take more memory.
	batchSize     = 1000
	batchesInWork = 3
)

// compared is what came of a batch of messages.
type compared struct {
	entries []replay.Entry // all that were looked at
	check   store.FactCheck
}

// facts compares every message of the stream with its row.
func (r *run) facts(ctx context.Context) error {
	processed, err := replay.Processed(ctx, r.JS)
	if err != nil {
		return err
	}
	letters, err := readLetters(ctx, archive.DeadLetters(r.JS))
	if err != nil {
		return err
	}
	concerns, err := r.concerns(ctx)
	if err != nil {
		return err
	}
	batching := archive.Batching{Size: batchSize, InWork: batchesInWork, Seen: func(done, total uint64) { r.progress(&r.lookedAt.events, done, total) }}
	return archive.Batches(ctx, archive.Events(r.JS), archive.Filter{Since: r.Scope.Since}, batching,
		func(ctx context.Context, batch []archive.Message) (compared, error) {
			c := compared{entries: make([]replay.Entry, 0, len(batch))}
			events := make([]store.Received, 0, len(batch))
			for _, m := range batch {
				if !concerns(m) {
					continue
				}
				e := replay.Read(m, r.Filter)
				c.entries = append(c.entries, e)
				if e.Err == nil {
					events = append(events, e.Event)
				}
			}
			var err error
			if len(events) > 0 {
				c.check, err = r.Store.CheckFacts(ctx, events)
			}
			return c, err
		},
		func(c compared) error { return r.judge(ctx, c, processed, letters) })
}

// concerns returns what picks the messages of the registration, if the scope is one: those that name it, and those
// whose facts are linked to it.
func (r *run) concerns(ctx context.Context) (func(archive.Message) bool, error) {
	if r.Scope.Registration == "" {
		return func(archive.Message) bool { return true }, nil
	}
	linked, err := r.Store.EventsOf(ctx, r.Scope.Registration)
	if err != nil {
		return nil, err
	}
	quoted, err := json.Marshal(r.Scope.Registration)
	if err != nil {
		return nil, err
	}
	return func(m archive.Message) bool { return linked[m.EventID()] || bytes.Contains(m.Body, quoted) }, nil
}

// judge counts a batch, tells what differs, and mends it.
func (r *run) judge(ctx context.Context, c compared, processed uint64, letters letters) error {
	r.telling.Lock()
	defer r.telling.Unlock()
	missing, differing := ids(c.check.Missing), ids(c.check.Differing)
	var lacking []replay.Entry
	for _, e := range c.entries {
		r.report.count(e)
		switch {
		case e.Err == nil && differing[e.Event.ID]:
		case e.Err == nil && !missing[e.Event.ID]:
			r.report.Equal++
		case letters.has(e):
			r.report.DeadLetters++
		case e.Sequence > processed:
			r.report.NotProcessed++
		default:
			lacking = append(lacking, e)
		}
	}
	absent, err := r.lacking(ctx, lacking)
	if err != nil {
		return err
	}
	r.report.Differing += len(differing)
	if err := r.found(c.check.Differences...); err != nil || !r.Mend {
		return err
	}
	return r.mendFacts(ctx, absent, c.check.Differing)
}

func ids(events []store.Received) map[string]bool {
	out := make(map[string]bool, len(events))
	for _, e := range events {
		out[e.ID] = true
	}
	return out
}

// lacking tells of processed messages that have neither a row nor a dead letter, unless a person has dropped that. It
// returns the events that can be stored.
func (r *run) lacking(ctx context.Context, entries []replay.Entry) ([]store.Received, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, cmp.Or(e.Event.ID, e.EventID))
	}
	dropped, err := r.Store.DroppedLetters(ctx, names)
	if err != nil {
		return nil, err
	}
	var absent []store.Received
	told := map[string]bool{}
	for i, e := range entries {
		switch {
		case dropped[names[i]]:
			r.report.DeadLetters++
		case e.Err == nil && told[names[i]]: // the batch holds it twice
		case e.Err != nil:
			err = r.found(store.Difference{About: store.AboutEvent, ID: cmp.Or(names[i], "?"), Field: "dead letter", Stored: store.Absent, ShouldBe: e.Err.Error()})
			if r.Mend {
				r.leave(cmp.Or(names[i], "?"), "it cannot be decoded, and is no dead letter")
			}
		default:
			told[names[i]] = true
			absent = append(absent, e.Event)
			err = r.found(missingFact(e.Event))
		}
		if err != nil {
			return nil, err
		}
	}
	r.report.Missing += len(absent)
	return absent, nil
}

func (p *Report) count(e replay.Entry) {
	p.Messages++
	if p.First == 0 {
		p.First, p.FirstStored = e.Sequence, e.Stored
	}
	p.Last, p.LastStored = e.Sequence, e.Stored
}

// missingFact is the difference of an event that has no row.
func missingFact(e store.Received) store.Difference {
	should := "ignored: " + e.Ignored
	if e.Fact != nil {
		should = string(e.Fact.Kind)
		if about := cmp.Or(e.Registration, e.Fact.Session, e.Fact.Intent, e.Fact.Charge); about != "" {
			should += " of " + about
		}
	}
	return store.Difference{About: store.AboutEvent, ID: e.ID, Field: "fact", Stored: store.Absent, ShouldBe: should}
}

// mendFacts stores missing facts and rewrites those that differ.
func (r *run) mendFacts(ctx context.Context, missing, differing []store.Received) error {
	_, err := replay.Store(ctx, r.Store, missing, func(id string, err error) { r.leave(id, "PostgreSQL does not take it: "+err.Error()) })
	if err != nil {
		return err
	}
	byID := map[string]store.Received{}
	var ids []string
	for _, e := range differing {
		byID[e.ID] = e
		ids = append(ids, e.ID)
	}
	return r.mend(ids, func(ids []string) error {
		var events []store.Received
		for _, id := range ids {
			events = append(events, byID[id])
		}
		_, err := r.Store.Rewrite(ctx, events)
		return err
	})
}

// letters are the events that are dead letters, by their sequences and ids.
type letters struct {
	sequences map[uint64]bool
	ids       map[string]bool
}

// readLetters reads which events are dead letters. Their number bounds its memory: there are few, or much is wrong.
func readLetters(ctx context.Context, a *archive.Archive) (letters, error) {
	l := letters{map[uint64]bool{}, map[string]bool{}}
	err := a.Scan(ctx, archive.Filter{}, nil, func(m archive.Message) error {
		l.sequences[deadletter.Read(m).Event] = true
		if id := m.EventID(); id != "" {
			l.ids[id] = true
		}
		return nil
	})
	return l, err
}

// has says whether an event is a dead letter: itself, or redriven and dead again.
func (l letters) has(e replay.Entry) bool { return l.sequences[e.Sequence] || l.ids[e.EventID] }
