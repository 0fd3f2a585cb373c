package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// The outcomes of an event in the inbox.
const (
	EventSettled = "settled" // its fact is a registration's
	EventWaiting = "waiting" // its registration is not known yet
	EventIgnored = "ignored" // it tells no fact, for a reason
)

// Entry is an event as the inbox holds it: one of Stripe's, or a fact of Guichet's own.
type Entry struct {
	ID             string          `db:"id" json:"id"`
	Type           string          `db:"type" json:"type"`
	Outcome        string          `db:"outcome" json:"outcome"`
	Reason         string          `db:"reason" json:"reason,omitempty"`
	RegistrationID string          `db:"registration_id" json:"registration,omitempty"` // where it is settled
	Ref            string          `db:"registration_ref" json:"names,omitempty"`       // metadata.registrationId
	Kind           string          `db:"kind" json:"kind,omitempty"`                    // of its fact
	Source         string          `db:"source" json:"source"`
	Created        *time.Time      `db:"created" json:"created,omitempty"`         // at Stripe; whole seconds
	ReceivedAt     *time.Time      `db:"received_at" json:"received_at,omitempty"` // by the ingester
	StoredAt       time.Time       `db:"stored_at" json:"processed_at"`
	Sequence       int64           `db:"stream_sequence" json:"sequence,omitempty"`
	Account        string          `db:"account" json:"account,omitempty"`
	Livemode       bool            `db:"livemode" json:"livemode"`
	Session        string          `db:"session_id" json:"session,omitempty"`
	Intent         string          `db:"intent_id" json:"intent,omitempty"`
	Charge         string          `db:"charge_id" json:"charge,omitempty"`
	AskedAt        *time.Time      `db:"asked_at" json:"asked_at,omitempty"` // Stripe, whose it is
	Detail         json.RawMessage `db:"detail" json:"detail"`
}

// Fact is what the event tells; its kind is empty where it tells none.
func (e Entry) Fact() (registration.Fact, error) {
	r := factRow{id: e.ID, kind: e.Kind, source: e.Source, session: &e.Session, intent: &e.Intent, charge: &e.Charge, detail: string(e.Detail)}
	if e.Created != nil {
		r.created = *e.Created
	}
	return r.fact()
}

const entryColumns = `
       f.id,
       f.type,
       f.outcome,
       coalesce(f.reason, '') AS reason,
       coalesce(f.registration_id, '') AS registration_id,
       coalesce(f.registration_ref, '') AS registration_ref,
       coalesce(f.kind, '') AS kind,
       f.source,
       f.created,
       f.received_at,
       f.stored_at,
       coalesce(f.stream_sequence, 0) AS stream_sequence,
       coalesce(f.account, '') AS account,
       f.livemode,
       coalesce(f.session_id, '') AS session_id,
       coalesce(f.intent_id, '') AS intent_id,
       coalesce(f.charge_id, '') AS charge_id,
       f.asked_at,
       f.detail`

const entriesQuery = `
SELECT` + entryColumns + `
FROM stripe_events f
WHERE f.id = ANY ($1)`

// ErrNoSuchEvent is returned by Entry.
var ErrNoSuchEvent = errors.New("the inbox has no such event")

// Entry returns an event of the inbox by its id, or ErrNoSuchEvent.
func (s *Store) Entry(ctx context.Context, id string) (Entry, error) {
	found, err := s.Entries(ctx, []string{id})
	if err != nil {
		return Entry{}, err
	}
	if len(found) == 0 {
		return Entry{}, fmt.Errorf("%w: %s", ErrNoSuchEvent, id)
	}
	return found[0], nil
}

// Entries returns those of the events that the inbox has, in no order.
func (s *Store) Entries(ctx context.Context, ids []string) ([]Entry, error) {
	var found []Entry
	if err := s.db.SelectContext(ctx, &found, entriesQuery, pq.Array(ids)); err != nil {
		return nil, fmt.Errorf("look up events: %w", err)
	}
	return found, nil
}
