package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// Received is an event as it came: Stripe's from the stream, or one that Guichet made itself.
type Received struct {
	stripeevent.Event
	Sequence   uint64    // in the stream; 0 for Guichet's own
	ReceivedAt time.Time // zero for Guichet's own
	// Traceparent is where the event's trace goes on; empty while no traces are recorded.
	Traceparent string
}

// Own wraps a fact that Guichet makes itself about a registration.
func Own(registrationID string, f registration.Fact) Received {
	return Received{Event: stripeevent.Event{
		ID: f.ID, Type: "guichet." + string(f.Kind), Created: f.Created, Registration: registrationID, Fact: &f,
	}}
}

// own says whether Guichet made the event itself, about a row that it saw. What Stripe said of whose an object
// is waits for its row as Stripe's events do.
func (e Received) own() bool {
	return e.Fact != nil && e.Fact.Kind != registration.Located && (e.Fact.Source == registration.FromClock || e.Fact.Source == registration.FromLookup)
}

// Link is a fact that has found its registration.
type Link struct {
	Fact           registration.Fact
	EventType      string
	RegistrationID string
}

// Result is what a batch did.
type Result struct {
	// Stored are the ids of the events that were new.
	Stored map[string]bool
	// Links are the facts that found their registration, new ones and ones that had waited.
	Links []Link
	// Waiting are the new events whose registration is not known yet.
	Waiting []Received
	// Changes are the registrations whose status or place changed.
	Changes []Change
}

func (r *Result) add(other Result) {
	r.Links = append(r.Links, other.Links...)
	r.Changes = append(r.Changes, other.Changes...)
}

// Process stores a batch of events and settles the registrations they concern, in one transaction. Events
// that are stored already change nothing. It returns after the commit. After an error it may or may not be
// stored, and is to be given again: what of it was left unlinked is then linked.
func (s *Store) Process(ctx context.Context, events []Received) (Result, error) {
	return s.processIn(ctx, s.withTx, events, nil)
}

// ProcessInTurn is one try of Process, for events of Stripe's, which waits for turn with the events stored and nothing settled
// or committed. What was committed before that returns counts as if it had been before the call. An error of it is
// returned. While it waits it holds up whoever stores one of the events or changes the tables themselves.
func (s *Store) ProcessInTurn(ctx context.Context, events []Received, turn func(context.Context) error) (Result, error) {
	return s.processIn(ctx, s.once, events, turn)
}

// transaction runs work in a transaction, as withTx and once do.
type transaction func(ctx context.Context, work func(*tx) error) error

func (s *Store) processIn(ctx context.Context, run transaction, events []Received, turn func(context.Context) error) (Result, error) {
	c, err := s.commit(ctx, run, events, keys{}, turn)
	if err != nil {
		return Result{}, err
	}
	more, err := s.CatchUp(ctx, c)
	c.add(more)
	return c.Result, err
}

// Committed is a batch that is stored, and was not looked after yet: see CatchUp.
type Committed struct {
	Result
	keys keys
}

// ProcessAfter is Process without its CatchUp, which it does for the batch before instead, unless that is nil. What this links
// is in what it returns. After an error neither is known to be done.
func (s *Store) ProcessAfter(ctx context.Context, before *Committed, events []Received) (*Committed, error) {
	var look keys
	if before != nil {
		look = before.keys
	}
	return s.commit(ctx, s.withTx, events, look, nil)
}

func (s *Store) commit(ctx context.Context, run transaction, events []Received, before keys, turn func(context.Context) error) (*Committed, error) {
	events = distinct(events)
	var c *Committed
	err := run(ctx, func(t *tx) error {
		var err error
		c, err = s.process(ctx, t, events, before, turn)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// distinct leaves out events that come again in a batch.
func distinct(events []Received) []Received {
	seen := make(map[string]bool, len(events))
	out := make([]Received, 0, len(events))
	for _, e := range events {
		if !seen[e.ID] {
			seen[e.ID] = true
			out = append(out, e)
		}
	}
	return out
}

func (s *Store) process(ctx context.Context, t *tx, events []Received, before keys, turn func(context.Context) error) (*Committed, error) {
	links, err := t.resolve(ctx, slices.Concat(events, before.waiting))
	if err != nil {
		return nil, err
	}
	// Guichet's own facts are about a row as it was: they do not wait for another of its id.
	events = slices.DeleteFunc(slices.Clone(events), func(e Received) bool { return e.own() && links[e.ID] == "" })
	linkWithin(events, links)
	stored, found, err := t.insert(ctx, events, links, before)
	if err != nil {
		return nil, err
	}
	result := Result{Stored: stored}
	known := newKeys()
	var touched []string
	for _, e := range events {
		id := links[e.ID]
		switch {
		case e.Fact == nil:
		case id == "":
			known.waiting = append(known.waiting, e)
			if stored[e.ID] {
				result.Waiting = append(result.Waiting, e)
			}
		case stored[e.ID]:
			touched = append(touched, id)
			result.Links = append(result.Links, Link{*e.Fact, e.Type, id})
			known.add(*e.Fact, id)
		default: // stored before; if it waited it need not any longer
			known.ids[e.ID] = id
			known.add(*e.Fact, id)
			if _, waits := found[e.ID]; waits {
				found[e.ID] = id
			}
		}
	}
	if turn != nil {
		if err := turn(ctx); err != nil {
			return nil, err
		}
		t.now = s.now()
		if found, err = t.linkAnew(ctx, events, links, known); err != nil {
			return nil, err
		}
	}
	adopted, err := t.adopt(ctx, found, known)
	if err != nil {
		return nil, err
	}
	linked := make(map[string]bool, len(adopted))
	for _, link := range adopted {
		touched = append(touched, link.RegistrationID)
		linked[link.Fact.ID] = true
	}
	result.Links = append(result.Links, adopted...)
	result.Waiting = slices.DeleteFunc(result.Waiting, func(e Received) bool { return linked[e.ID] })
	if s.mailing.off() {
		if err := t.hushUnlinked(ctx, result.Waiting); err != nil {
			return nil, err
		}
	}
	result.Changes, err = s.settle(ctx, t, touched, nil, known)
	return &Committed{result, known}, err
}

// CatchUp links what other transactions committed beside a batch, and returns what that did. Two of them do not see each
// other's facts, so each is looked after once it is committed, when the later one sees both.
func (s *Store) CatchUp(ctx context.Context, c *Committed) (Result, error) {
	return s.catchUp(ctx, c.keys)
}

func (s *Store) catchUp(ctx context.Context, known keys) (Result, error) {
	var result Result
	for {
		pool := &tx{statements: s.statements, now: s.now()}
		links, err := pool.resolve(ctx, known.waiting)
		if err != nil {
			return result, err
		}
		maps.Copy(known.ids, links)
		missed, err := pool.found(ctx, known)
		if err != nil || len(missed) == 0 {
			return result, err
		}
		var more Result
		err = s.withTx(ctx, func(t *tx) error {
			more, err = s.settleLinked(ctx, t, known, nil)
			return err
		})
		if err != nil {
			return result, err
		}
		result.add(more)
		known = newKeys()
		for _, link := range more.Links {
			known.add(link.Fact, link.RegistrationID)
		}
	}
}

// errOvertaken is that events were stored with links that are others by now.
var errOvertaken = errors.New("what was committed meanwhile links its events otherwise")

// linkAnew links events, which were stored with links, as if they were stored only now: it returns the facts that the keys
// find, of the events or waiting before, and adds the keys of events that found their registration meanwhile.
func (t *tx) linkAnew(ctx context.Context, events []Received, links map[string]string, known keys) (findings, error) {
	anew := map[string]string{}
	var open []Received
	for _, e := range events {
		if id := links[e.ID]; id != "" && id == e.Registration {
			anew[e.ID] = id // nothing is surer
		} else {
			open = append(open, e)
		}
	}
	resolved, err := t.resolveBy(ctx, t.statements.resolveBefore, open)
	if err != nil {
		return nil, err
	}
	maps.Copy(anew, resolved)
	linkWithin(events, anew)
	for _, e := range events {
		switch id := anew[e.ID]; {
		case id == links[e.ID]:
		case links[e.ID] != "":
			return nil, errOvertaken
		default:
			known.ids[e.ID] = id
			known.add(*e.Fact, id)
		}
	}
	return t.found(ctx, known)
}

// settleLinked adopts the facts that wait for the keys and settles their registrations, and the due ones.
func (s *Store) settleLinked(ctx context.Context, t *tx, known keys, due []string) (Result, error) {
	found, err := t.found(ctx, known)
	if err != nil {
		return Result{}, err
	}
	links, err := t.adopt(ctx, found, known)
	if err != nil {
		return Result{}, err
	}
	var touched []string
	for _, link := range links {
		touched = append(touched, link.RegistrationID)
	}
	changes, err := s.settle(ctx, t, touched, due, known)
	return Result{Links: links, Changes: changes}, err
}
