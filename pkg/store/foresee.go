package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// foreseeAtOnce is how many events, or registrations, are looked at in one snapshot.
const foreseeAtOnce = 500

// Foreseen is what would become of a registration: what differs from what is stored, and the mails that its states
// want and that are not in the outbox.
type Foreseen struct {
	RegistrationID string
	Changes        []Difference
	Mails          []registration.Mail
}

// Foresee says what storing events would change that are not stored yet, registration by registration, and how many of
// the events would wait for theirs. It stores nothing: it reads, in transactions that cannot write. Places go to who
// comes first, so what it says of those that are gained is what would be if nobody else came.
func (s *Store) Foresee(ctx context.Context, events []Packed, each func(Foreseen) error) (waiting int, err error) {
	f := foresight{events: events, links: make([]string, len(events)), open: map[string][]int{}, adopted: map[string]Link{}}
	if err := f.link(ctx, s); err != nil {
		return 0, err
	}
	concerned := map[string][]int{}
	for i, id := range f.links {
		if id == "" {
			waiting++
			continue
		}
		concerned[id] = append(concerned[id], i)
	}
	for chunk := range slices.Chunk(slices.Sorted(maps.Keys(concerned)), foreseeAtOnce) {
		more := map[string][]registration.Fact{}
		for _, id := range chunk {
			for _, i := range concerned[id] {
				e, err := f.events[i].unpack()
				if err != nil {
					return 0, err
				}
				more[id] = append(more[id], *e.Fact)
			}
		}
		for _, link := range f.adopted {
			if _, there := more[link.RegistrationID]; there {
				more[link.RegistrationID] = append(more[link.RegistrationID], link.Fact)
			}
		}
		found, err := s.foresee(ctx, chunk, more)
		if err != nil {
			return 0, err
		}
		for _, one := range found {
			if err := each(one); err != nil {
				return 0, err
			}
		}
	}
	return waiting, nil
}

// ForeseeSettled says what settling registrations anew would change of those that are not due: nothing, where all is right.
func (s *Store) ForeseeSettled(ctx context.Context, ids []string) ([]Foreseen, error) {
	return s.foresee(ctx, ids, nil)
}

// foresee settles registrations with more facts than are stored; without any it leaves out those that are due.
func (s *Store) foresee(ctx context.Context, ids []string, more map[string][]registration.Fact) ([]Foreseen, error) {
	var out []Foreseen
	err := s.snapshot(ctx, func(t *tx) error {
		rows, err := t.registrations(ctx, ids, false)
		if err != nil {
			return err
		}
		if more == nil {
			rows = slices.DeleteFunc(rows, func(r *row) bool { return r.due })
		}
		if err := t.loadFacts(ctx, rows); err != nil {
			return err
		}
		for _, r := range rows {
			r.facts = append(r.facts, more[r.ID]...)
			r.state = registration.Settle(r.Registration, r.facts, s.policy)
		}
		places, err := t.foreseePlaces(ctx, rows)
		if err != nil {
			return err
		}
		if s.mailing.off() {
			var linked []string
			for id := range more {
				linked = append(linked, id)
			}
			t.hush(rows, linked, s.policy)
		}
		kept, err := t.slots(ctx, rowIDs(rows))
		if err != nil {
			return err
		}
		for _, r := range rows {
			if f := (Foreseen{r.ID, r.foreseen(places[r.ID]), unsent(r.mails, kept[r.ID])}); len(f.Changes)+len(f.Mails) > 0 {
				out = append(out, f)
			}
		}
		return nil
	})
	return out, err
}

// foreseen lists what would change.
func (r *row) foreseen(place string) []Difference {
	c := comparison{about: AboutRegistration, id: r.ID}
	c.field("status", string(r.status), string(r.state.Status))
	c.field("cause", string(r.cause), string(r.state.Cause))
	if r.seatHeld != r.willHold || place != "" {
		c.field("seat_held", fmt.Sprint(r.seatHeld), fmt.Sprint(r.willHold)+place)
	}
	c.time("deadline", r.deadline, r.state.Deadline)
	c.time("paid_at", r.paidAt, r.state.PaidAt)
	c.flag("removed", r.removed, r.state.Removed)
	c.list("attention", r.attention, r.willRaise)
	return c.found
}

// foreseePlaces says which rows would hold a place, and of those that would gain one on what that depends.
func (t *tx) foreseePlaces(ctx context.Context, rows []*row) (map[string]string, error) {
	const query = `SELECT id, capacity - seats_held FROM events WHERE id = ANY ($1)`
	var events []string
	for _, r := range rows {
		r.willHold = r.seatHeld && r.state.SeatWish
		if r.state.SeatWish && !r.seatHeld {
			events = append(events, r.eventID)
		}
	}
	places := map[string]string{}
	if len(events) > 0 {
		free := map[string]*int64{}
		found, err := t.QueryContext(ctx, query, pq.Array(unique(events)))
		if err != nil {
			return nil, fmt.Errorf("look for free places: %w", err)
		}
		defer func() { _ = found.Close() }()
		for found.Next() {
			var id string
			var n *int64
			if err := found.Scan(&id, &n); err != nil {
				return nil, fmt.Errorf("look for free places: %w", err)
			}
			free[id] = n
		}
		if err := found.Err(); err != nil {
			return nil, fmt.Errorf("look for free places: %w", err)
		}
		for _, r := range rows {
			if !r.state.SeatWish || r.seatHeld {
				continue
			}
			switch n := free[r.eventID]; {
			case n == nil:
				r.willHold = true
			case *n > 0:
				r.willHold = true
				places[r.ID] = fmt.Sprintf(", if one of %d is left", *n)
			}
		}
	}
	for _, r := range rows {
		r.raise()
	}
	return places, nil
}

// slots returns the slots of mails that settling does not want again, by registration.
func (t *tx) slots(ctx context.Context, ids []string) (map[string]map[string]bool, error) {
	const query = `
SELECT n.registration_id, n.slot
FROM notifications n
WHERE coalesce(n.registration_id, '') = ANY ($1) AND n.status <> 'dropped'`
	rows, err := t.QueryContext(ctx, query, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("look up mails: %w", err)
	}
	defer func() { _ = rows.Close() }()
	out := map[string]map[string]bool{}
	for rows.Next() {
		var id, slot string
		if err := rows.Scan(&id, &slot); err != nil {
			return nil, fmt.Errorf("look up mails: %w", err)
		}
		if out[id] == nil {
			out[id] = map[string]bool{}
		}
		out[id][slot] = true
	}
	return out, rows.Err()
}

// unsent leaves out the mails whose slot, or one that stands for the same, is kept.
func unsent(mails []registration.Mail, kept map[string]bool) []registration.Mail {
	return slices.DeleteFunc(slices.Clone(mails), func(m registration.Mail) bool {
		return kept[m.Slot] || slices.ContainsFunc(m.Same, func(slot string) bool { return kept[slot] })
	})
}
