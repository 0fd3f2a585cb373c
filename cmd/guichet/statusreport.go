package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/educareschool/guichet/pkg/store"
)

// shownOperations is how many of the last operations are shown.
const shownOperations = 5

// statusReport is one look; a half that is away is nil.
type statusReport struct {
	At           time.Time       `json:"at"`
	Stream       *streamStatus   `json:"stream,omitempty"`
	NATSAway     string          `json:"nats_away,omitempty"`
	Database     *databaseStatus `json:"database,omitempty"`
	DatabaseAway string          `json:"database_away,omitempty"`

	natsError, databaseError error
}

// problem is what of it is away; both are told together.
func (r statusReport) problem() error {
	var problems []error
	if r.natsError != nil {
		problems = append(problems, fmt.Errorf("the stream is not known: %w", r.natsError))
	}
	if r.databaseError != nil {
		problems = append(problems, fmt.Errorf("the database is not known: %w", r.databaseError))
	}
	return errors.Join(problems...)
}

// streamStatus is what NATS says.
type streamStatus struct {
	Events     uint64     `json:"events"`
	Bytes      uint64     `json:"bytes"`
	MaxBytes   int64      `json:"max_bytes"`
	Oldest     *time.Time `json:"oldest,omitempty"`
	Newest     *time.Time `json:"newest,omitempty"`
	Pending    uint64     `json:"pending"`     // delivered to no worker yet
	InWork     uint64     `json:"ack_pending"` // delivered, not acknowledged
	Behind     *time.Time `json:"oldest_unprocessed,omitempty"`
	Requests   int        `json:"waiting_requests"` // of workers that wait for events
	Dead       uint64     `json:"dead_letters"`
	NewestDead *time.Time `json:"newest_dead_letter,omitempty"`
}

// status asks the streams and the consumer.
func (s *streamSource) status(ctx context.Context) (*streamStatus, error) {
	events, err := s.events.Info(ctx)
	if err != nil {
		return nil, err
	}
	backlog, err := s.events.Backlog(ctx)
	if err != nil {
		return nil, err
	}
	dead, err := s.dead.Info(ctx)
	if err != nil {
		return nil, err
	}
	out := &streamStatus{
		Events: events.State.Msgs, Bytes: events.State.Bytes, MaxBytes: events.Config.MaxBytes,
		Pending: backlog.Pending, InWork: backlog.InWork, Behind: instant(backlog.Oldest), Requests: backlog.Waiting, Dead: dead.State.Msgs,
	}
	if out.Events > 0 {
		out.Oldest, out.Newest = instant(events.State.FirstTime), instant(events.State.LastTime)
	}
	if out.Dead > 0 {
		out.NewestDead = instant(dead.State.LastTime)
	}
	return out, nil
}

// instant is a time for JSON, which has none for the zero one.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// queue is how much waits, and since when the first of it; the count stops at a limit.
type queue struct {
	Count int64      `json:"count"`
	Since *time.Time `json:"since,omitempty"`
}

// databaseStatus is what PostgreSQL says.
type databaseStatus struct {
	Inbox         map[string]store.Count           `json:"inbox"`
	Outbox        map[store.MailStatus]store.Count `json:"outbox"`
	Registrations map[string]int64                 `json:"registrations"`
	Unlinked      queue                            `json:"waiting_for_registration"`
	Due           queue                            `json:"to_settle"`
	Overdue       queue                            `json:"past_deadline"`
	Mails         queue                            `json:"mails_pending"`
	Attention     []openFlag                       `json:"attention"`
	Disputes      int64                            `json:"open_disputes"`
	EvidenceDue   *time.Time                       `json:"evidence_due,omitempty"`
	Events        []store.Places                   `json:"events"`
	Operations    []store.Operation                `json:"operations"`
}

// openFlag is how often a flag waits for a person, and since when.
type openFlag struct {
	Flag  string    `json:"flag"`
	Count int64     `json:"count"`
	Since time.Time `json:"since"`
}

func describeDatabase(o store.Overview) *databaseStatus {
	d := &databaseStatus{
		Inbox: o.Inbox, Outbox: o.Outbox, Registrations: map[string]int64{}, Unlinked: queue(o.Unlinked), Due: queue(o.Due),
		Overdue: queue(o.Deadlines), Mails: queue(o.Mails), Attention: flags(o.Attention), Events: o.Places, Operations: o.Operations,
	}
	for status, n := range o.Registrations {
		d.Registrations[string(status)] = n
	}
	for _, open := range o.Disputes {
		d.Disputes += open.Count
		if open.DueBy != nil && (d.EvidenceDue == nil || open.DueBy.Before(*d.EvidenceDue)) {
			d.EvidenceDue = instant(*open.DueBy)
		}
	}
	return d
}

// flags sums what the currencies have in common.
func flags(open []store.OpenAttention) []openFlag {
	var out []openFlag
	at := map[string]int{}
	for _, a := range open {
		name := string(a.Flag)
		i, known := at[name]
		if !known {
			i = len(out)
			at[name] = i
			out = append(out, openFlag{Flag: name, Since: a.Since})
		}
		out[i].Count += a.Count
		if a.Since.Before(out[i].Since) {
			out[i].Since = a.Since
		}
	}
	return out
}
