// Package backfill brings into the stream what Stripe lists and nobody has stored: events that it could not
// deliver, or that were lost on their way.
package backfill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// Backfill is who is asked, and where events go.
type Backfill struct {
	Stripe   *lookup.Client
	Store    *store.Store
	JS       jetstream.JetStream
	Accounts []string // connected accounts whose events count, beside the key's own; "*" names none to ask for
	// Elsewhere says which of the events are known, although they are not in the inbox; nil knows of none.
	Elsewhere func(ctx context.Context, ids []string) (map[string]bool, error)
	// Found, if set, is told of each event that nobody has stored, oldest first of each account.
	Found func(Event)
	// Seen, if set, is told how many events were listed so far.
	Seen func(listed int)
}

// Query says which events are asked for.
type Query struct {
	Since time.Time `json:"since"`         // made at or after
	All   bool      `json:"all,omitempty"` // also those that Stripe says it delivered
}

// Event is an event that nobody has stored.
type Event struct {
	ID      string    `json:"event"`
	Type    string    `json:"type"`
	Account string    `json:"account,omitempty"`
	Created time.Time `json:"created"`
}

// Result counts events.
type Result struct {
	Listed     int `json:"listed"`
	Stored     int `json:"stored"`     // in the inbox
	Elsewhere  int `json:"elsewhere"`  // known although they are not
	Missing    int `json:"missing"`    // all others
	Published  int `json:"published"`  // of the missing, brought into the stream
	Duplicates int `json:"duplicates"` // of the missing, in the stream already
}

// batch is how many events are looked up in the inbox at once.
const batch = 100

// Look finds what is missing, and changes nothing.
func (b Backfill) Look(ctx context.Context, q Query) (Result, error) {
	return b.each(ctx, q, func(context.Context, []stream.Event, *Result) error { return nil })
}

// Apply finds what is missing and stores it as the ingester does. It can be run again at any time: an event that
// comes twice is settled once.
func (b Backfill) Apply(ctx context.Context, q Query) (Result, error) {
	return b.each(ctx, q, b.publish)
}

// each asks for the events of all accounts, and has missing ones handled batch by batch. An account that Stripe
// refuses does not keep the others from their turn.
func (b Backfill) each(ctx context.Context, q Query, handle func(context.Context, []stream.Event, *Result) error) (Result, error) {
	r := run{Backfill: b, handle: handle}
	var problems []error
	for _, account := range append([]string{""}, b.Accounts...) {
		if account == "*" {
			continue
		}
		err := r.account(ctx, q, account)
		if err != nil && account != "" {
			err = fmt.Errorf("account %s: %w", account, err)
		}
		problems = append(problems, err)
		if err != nil && !errors.Is(err, lookup.ErrRefused) {
			break
		}
	}
	return r.result, errors.Join(append(problems, r.unreadable)...)
}

// run is one run.
type run struct {
	Backfill
	handle  func(context.Context, []stream.Event, *Result) error
	result  Result
	pending []stream.Event // listed, and not looked up yet
	// unreadable is what is wrong with an event that no ingester would have taken.
	unreadable error
}

func (r *run) account(ctx context.Context, q Query, account string) error {
	r.pending = r.pending[:0]
	list := lookup.EventQuery{Account: account, Types: stripeevent.Types(), Since: q.Since, Undelivered: !q.All}
	err := r.Stripe.Events(ctx, list, func(body []byte) error {
		r.result.Listed++
		if r.Seen != nil {
			r.Seen(r.result.Listed)
		}
		e, unreadable := read(body, account)
		if unreadable != nil { // the others are none the worse for it
			r.unreadable = unreadable
		} else if r.pending = append(r.pending, e); len(r.pending) == batch {
			return r.flush(ctx)
		}
		return nil
	})
	return errors.Join(err, r.flush(ctx)) // what was listed is no worse for what was not
}

// read is an event as the webhook would have brought it. A list of an account's events need not say whose they are.
func read(body []byte, account string) (stream.Event, error) {
	e, err := stripeevent.ReadEnvelope(body)
	if err == nil && e.Account == "" && account != "" {
		body = append(fmt.Appendf(nil, "{\n  %q: %q,", "account", account), bytes.TrimPrefix(body, []byte("{"))...)
		e, err = stripeevent.ReadEnvelope(body)
	}
	if err != nil {
		return stream.Event{}, fmt.Errorf("read an event of Stripe's list: %w", err)
	}
	return stream.Event{Envelope: e, Body: body}, nil
}

func (r *run) flush(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	defer func() { r.pending = r.pending[:0] }()
	ids := make([]string, len(r.pending))
	for i, e := range r.pending {
		ids[i] = e.ID
	}
	stored, err := r.Store.Stored(ctx, ids)
	if err != nil {
		return err
	}
	var elsewhere map[string]bool
	if r.Elsewhere != nil {
		if elsewhere, err = r.Elsewhere(ctx, ids); err != nil {
			return err
		}
	}
	var missing []stream.Event
	for _, e := range r.pending {
		switch {
		case stored[e.ID]:
			r.result.Stored++
		case elsewhere[e.ID]:
			r.result.Elsewhere++
		default:
			r.result.Missing++
			missing = append(missing, e)
			if r.Found != nil {
				r.Found(Event{e.ID, e.Type, e.Account, created(e)})
			}
		}
	}
	return r.handle(ctx, missing, &r.result)
}

// created is when Stripe made the event.
func created(e stream.Event) time.Time {
	seconds, err := strconv.ParseInt(e.Created, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
