// Package proof compares the database with the stream that it was made of: every event has its fact, every
// registration is what its facts say, every place is counted. It can also mend what differs.
package proof

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/replay"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// Subject is what is verified.
type Subject struct {
	JS     jetstream.JetStream
	Store  *store.Store
	Filter stripeevent.Filter // the worker's
}

// Scope is how much of it; its zero value is all.
type Scope struct {
	Since        time.Time `json:"since,omitzero"`         // what was stored since
	Registration string    `json:"registration,omitempty"` // one registration, its events and its event's places
}

// Options say what a run does beside counting. Nil functions are not called.
type Options struct {
	Scope Scope
	// Mend stores missing facts, rewrites those that differ, and settles registrations and counts places anew.
	Mend bool
	// Found is called with each difference, one at a time, while the run goes on.
	Found func(store.Difference) error
	// Progress is told how many events and registrations, taken together, are done, and of how many.
	Progress func(done, total uint64)
}

// Report is what a run has looked at, and what it found.
type Report struct {
	Messages     int       `json:"messages"` // of the stream, from First to Last
	First        uint64    `json:"first_sequence,omitempty"`
	Last         uint64    `json:"last_sequence,omitempty"`
	FirstStored  time.Time `json:"first_stored,omitzero"`
	LastStored   time.Time `json:"last_stored,omitzero"`
	Equal        int       `json:"equal"`         // have their row, and it says what they say
	DeadLetters  int       `json:"dead_letters"`  // cannot be stored, and are dead letters, or were
	NotProcessed int       `json:"not_processed"` // the workers have not come to them

	Registrations int `json:"registrations"`
	NotSettled    int `json:"not_settled"` // the platform has just changed them
	Seats         int `json:"seats"`       // events whose places were counted

	Differences int       `json:"differences"`
	Missing     int       `json:"missing_facts"`
	Differing   int       `json:"differing_facts"`
	Misplaced   int       `json:"misplaced_facts"` // linked to another registration than theirs, or to none
	Unsettled   int       `json:"wrong_registrations"`
	Miscounted  int       `json:"wrong_counts"`
	Unmendable  []Problem `json:"unmendable,omitempty"`
}

// Problem is something that mending leaves to a person.
type Problem struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Verify compares the database with the stream, and reports. Its memory does not grow with either, and it holds no
// lock that anybody waits for. While workers settle it finds nothing that is not so: what they have not come to, and
// what the platform has just changed, is counted and is no difference.
func Verify(ctx context.Context, s Subject, o Options) (Report, error) {
	r := run{Subject: s, Options: o}
	// In this order where they mend: a wrong count would stand in the way of settling, and so would wrong facts. Looking
	// alone they go on at once, and no processor waits.
	steps, running := errgroup.WithContext(ctx)
	if o.Mend {
		steps.SetLimit(1)
	}
	for _, step := range []func(context.Context) error{r.seats, r.facts, r.links, r.registrations} {
		steps.Go(func() error { return step(running) })
	}
	err := steps.Wait()
	return r.report, err
}

// run is a verification under way.
type run struct {
	Subject
	Options
	unseated []string // step registrations' own

	telling sync.Mutex // held by the step that tells what it has found
	report  Report
	// How far the steps that count have come.
	lookedAt struct{ events, registrations count }
}

type count struct{ done, total uint64 }

// found notes differences; telling is held.
func (r *run) found(differences ...store.Difference) error {
	for _, d := range differences {
		r.report.Differences++
		if r.Found != nil {
			if err := r.Found(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// progress notes how far a step has come.
func (r *run) progress(step *count, done, total uint64) {
	r.telling.Lock()
	defer r.telling.Unlock()
	*step = count{done, total}
	if r.Progress != nil {
		events, registrations := r.lookedAt.events, r.lookedAt.registrations
		r.Progress(events.done+registrations.done, events.total+registrations.total)
	}
}

// leave notes what a person has to see to; telling is held.
func (r *run) leave(id, reason string) {
	r.report.Unmendable = append(r.report.Unmendable, Problem{id, reason})
}

// mend does something to all that ids name, or, where PostgreSQL refuses one, to all others, and leaves that; telling
// is held.
func (r *run) mend(ids []string, do func(ids []string) error) error {
	return replay.Divide(ids, do, func(id string, err error) { r.leave(id, err.Error()) })
}
