package replay

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

const (
	// batchSize is how many events are looked at, or stored, at once: as many as the worker stores.
	batchSize = 1024
	// batchesInWork is how many are being read and decoded while one is stored.
	batchesInWork = 3
)

// Replay is what is run through the store again.
type Replay struct {
	JS     jetstream.JetStream
	Store  *store.Store // with mails off, unless they are to be sent
	Filter stripeevent.Filter
	Picks  archive.Filter // which events
	// Unprocessed takes also events that the workers have not come to yet. With mails off that would keep from people
	// what they have not been told.
	Unprocessed bool
	// Progress, if not nil, is told how many events were looked at, and of how many.
	Progress func(done, total uint64)
}

// Counts are the events that a replay is about.
type Counts struct {
	Matched     int       `json:"matched"`
	First       uint64    `json:"first_sequence,omitempty"`
	Last        uint64    `json:"last_sequence,omitempty"`
	FirstStored time.Time `json:"first_stored,omitzero"`
	LastStored  time.Time `json:"last_stored,omitzero"`
	Present     int       `json:"present"` // are stored in the database already
	Missing     int       `json:"missing"` // are not
	Undecodable int       `json:"undecodable"`
	Unprocessed int       `json:"left_to_the_workers"` // they have not come to them yet
}

func (c *Counts) add(e Entry) {
	c.Matched++
	if c.First == 0 {
		c.First, c.FirstStored = e.Sequence, e.Stored
	}
	c.Last, c.LastStored = e.Sequence, e.Stored
}

// Plan is what a replay would do.
type Plan struct {
	Counts
	Waiting       int `json:"would_wait"` // events whose registration is not there
	Registrations int `json:"registrations"`
	Mails         int `json:"mails"`
}

// batch is a number of events with what the database knows of them.
type batch struct {
	entries []Entry          // all that match
	missing []store.Received // each once
	linked  []string         // registrations of the others
	changed []store.Foreseen // of these, those that are not what their facts say
}

// Count counts the events that match. Its memory does not grow with their number.
func (r Replay) Count(ctx context.Context) (Counts, error) {
	var c Counts
	return c, r.each(ctx, &c, nil, func(batch) error { return nil })
}

// Plan says what a replay would do, registration by registration, and changes nothing. Its memory grows with the number
// of the events that the database lacks, by some hundred bytes each, and not with the stream.
func (r Replay) Plan(ctx context.Context, found func(store.Foreseen) error) (Plan, error) {
	var p Plan
	var lacking []store.Packed
	wrong := map[string]store.Foreseen{} // without the missing events
	seen := &recent{}
	err := r.each(ctx, &p.Counts, func(ctx context.Context, b *batch) (err error) {
		b.changed, err = r.Store.ForeseeSettled(ctx, seen.fresh(b.linked))
		return err
	}, func(b batch) error {
		for _, e := range b.missing {
			if e.Fact != nil {
				lacking = append(lacking, store.Pack(e))
			}
		}
		for _, f := range b.changed {
			wrong[f.RegistrationID] = f
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	tell := func(f store.Foreseen) error {
		delete(wrong, f.RegistrationID) // what is missing has its say in it, too
		if len(f.Changes) > 0 {
			p.Registrations++
		}
		p.Mails += len(f.Mails)
		return found(f)
	}
	if p.Waiting, err = r.Store.Foresee(ctx, lacking, tell); err != nil {
		return p, err
	}
	for _, id := range sortedKeys(wrong) {
		if err := tell(wrong[id]); err != nil {
			return p, err
		}
	}
	return p, nil
}

func sortedKeys(m map[string]store.Foreseen) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// each hands on the events that match, in batches, with what the database knows of them; more, unless nil, may find out
// more while other batches are in work.
func (r Replay) each(ctx context.Context, counts *Counts, more func(context.Context, *batch) error, do func(batch) error) error {
	processed, err := Processed(ctx, r.JS)
	if err != nil {
		return err
	}
	work := func(ctx context.Context, messages []archive.Message) (batch, error) {
		var b batch
		var events []store.Received
		taken := map[string]bool{}
		for _, m := range messages {
			e := Read(m, r.Filter)
			b.entries = append(b.entries, e)
			if e.Err == nil && (r.Unprocessed || e.Sequence <= processed) && !taken[e.Event.ID] {
				taken[e.Event.ID] = true
				events = append(events, e.Event)
			}
		}
		linked, stored, err := r.Store.Registrations(ctx, events)
		if err != nil {
			return b, err
		}
		b.linked = linked
		for _, e := range events {
			if !stored[e.ID] {
				b.missing = append(b.missing, e)
			}
		}
		if more != nil {
			err = more(ctx, &b)
		}
		return b, err
	}
	return archive.Batches(ctx, archive.Events(r.JS), r.Picks, archive.Batching{Size: batchSize, InWork: batchesInWork, Seen: r.Progress}, work,
		func(b batch) error {
			for _, e := range b.entries {
				counts.add(e)
				switch {
				case e.Err != nil:
					counts.Undecodable++
				case !r.Unprocessed && e.Sequence > processed:
					counts.Unprocessed++
				default:
					counts.Present++
				}
			}
			counts.Missing += len(b.missing)
			counts.Present -= len(b.missing)
			return do(b)
		})
}
