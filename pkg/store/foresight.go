package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// Packed is an event that tells a fact, in few bytes: there may be many that are not stored.
type Packed string

// Pack packs an event that tells a fact.
func Pack(e Received) Packed {
	f := e.Fact
	return Packed(strings.Join([]string{
		e.ID, e.Type, strconv.FormatInt(e.Created.Unix(), 10), e.Registration, string(f.Kind), f.Session, f.Intent, f.Charge, Detail(f),
	}, unitSeparator))
}

func (p Packed) unpack() (Received, error) {
	fields := strings.Split(string(p), unitSeparator)
	created, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return Received{}, fmt.Errorf("event %s: %w", fields[0], err)
	}
	at := time.Unix(created, 0).UTC()
	fact, err := factRow{
		id: fields[0], kind: fields[4], source: string(registration.FromStripe), created: at,
		session: &fields[5], intent: &fields[6], charge: &fields[7], detail: fields[8],
	}.fact()
	var e Received
	e.ID, e.Type, e.Created, e.Registration, e.Fact = fields[0], fields[1], at, fields[3], &fact
	return e, err
}

// foresight finds out to which registrations events would be linked.
type foresight struct {
	events  []Packed
	links   []string         // registrations, as events are ordered; empty where there is none
	open    map[string][]int // events without one, by their sessions, intents and charges
	adopted map[string]Link  // facts that wait in the database and would wait no longer, by id
}

// link links the events as storing them would: through the database, through each other, and with the facts that wait
// in the database for any of them. Where facts contradict each other it may take another of them than storing does.
func (f *foresight) link(ctx context.Context, s *Store) error {
	if err := f.resolve(ctx, s); err != nil {
		return err
	}
	var waiting bool
	if err := s.db.GetContext(ctx, &waiting, `SELECT EXISTS (SELECT FROM stripe_events WHERE outcome = 'waiting')`); err != nil {
		return fmt.Errorf("look for waiting facts: %w", err)
	}
	linked := make([]int, 0, len(f.events))
	for i, id := range f.links {
		if id != "" {
			linked = append(linked, i)
			continue
		}
		e, err := f.events[i].unpack()
		if err != nil {
			return err
		}
		for _, key := range namedBy(*e.Fact) {
			f.open[key] = append(f.open[key], i)
		}
	}
	if !waiting && len(f.open) == 0 {
		return nil
	}
	for chunk := range slices.Chunk(linked, foreseeAtOnce) {
		links, err := f.linksOf(chunk)
		for err == nil && len(links) > 0 {
			var joined, found []Link
			if joined, err = f.join(links); err == nil && waiting {
				found, err = f.adopt(ctx, s, links)
			}
			links = append(joined, found...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resolve links what the database can tell.
func (f *foresight) resolve(ctx context.Context, s *Store) error {
	for from := 0; from < len(f.events); from += foreseeAtOnce {
		to := min(from+foreseeAtOnce, len(f.events))
		events := make([]Received, 0, to-from)
		for _, p := range f.events[from:to] {
			e, err := p.unpack()
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		err := s.snapshot(ctx, func(t *tx) error {
			links, err := t.resolve(ctx, events)
			for i, e := range events {
				f.links[from+i] = links[e.ID]
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *foresight) linksOf(events []int) ([]Link, error) {
	out := make([]Link, 0, len(events))
	for _, i := range events {
		e, err := f.events[i].unpack()
		if err != nil {
			return nil, err
		}
		out = append(out, Link{Fact: *e.Fact, RegistrationID: f.links[i]})
	}
	return out, nil
}

// join links the open events that share an id with those just linked.
func (f *foresight) join(links []Link) ([]Link, error) {
	var joined []int
	for _, link := range links {
		for _, key := range namedBy(link.Fact) {
			for _, i := range f.open[key] {
				if f.links[i] == "" {
					f.links[i] = link.RegistrationID
					joined = append(joined, i)
				}
			}
			delete(f.open, key)
		}
	}
	return f.linksOf(joined)
}

// namedBy are the ids by which a fact finds others, none of which can be another's of another kind.
func namedBy(f registration.Fact) []string {
	return slices.DeleteFunc([]string{f.Session, f.Intent, f.Charge}, func(id string) bool { return id == "" })
}

// adopt returns the facts that wait in the database for those just linked.
func (f *foresight) adopt(ctx context.Context, s *Store, links []Link) ([]Link, error) {
	known := newKeys()
	for _, link := range links {
		known.add(link.Fact, link.RegistrationID)
	}
	var out []Link
	err := s.snapshot(ctx, func(t *tx) error {
		found, err := t.found(ctx, known)
		if err != nil || len(found) == 0 {
			return err
		}
		var ids []string
		for id := range found {
			if _, again := f.adopted[id]; !again {
				ids = append(ids, id)
			}
		}
		events, err := t.waitingEvents(ctx, ids)
		for _, e := range events {
			link := Link{Fact: *e.Fact, EventType: e.Type, RegistrationID: found[e.ID]}
			f.adopted[e.ID] = link
			out = append(out, link)
		}
		return err
	})
	return out, err
}
