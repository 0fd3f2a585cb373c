package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// Story is everything that the database knows of a registration, or of events that have none. No name and no
// address is in it.
type Story struct {
	Registration *Registered // nil where there is none
	// Events are the registration's. Without one they are those that the id leads to: waiting ones, ignored ones.
	Events []Entry
	// Waiting are events of no registration that name this one, or what its events name: they are linked within seconds.
	Waiting   []Entry
	History   []Moved
	Mails     []Mail
	Attention []Occurrence
	// Operations name the registration or one of its events, or settled many anew while it changed.
	Operations []Operation
}

// Known says whether the database knows anything.
func (s Story) Known() bool { return s.Registration != nil || len(s.Events) > 0 }

// Registered is a registration's row.
type Registered struct {
	ID               string              `db:"id" json:"id"`
	EventID          string              `db:"event_id" json:"event"`
	EventTitle       string              `db:"title" json:"title"`
	CreatedAt        time.Time           `db:"created_at" json:"created_at"`
	AmountDue        *int64              `db:"amount_due" json:"amount_due,omitempty"`
	Currency         string              `db:"currency" json:"currency,omitempty"`
	Session          string              `db:"checkout_session_id" json:"session,omitempty"`
	SessionSetAt     *time.Time          `db:"checkout_set_at" json:"session_set_at,omitempty"`
	SessionCreatedAt *time.Time          `db:"checkout_created_at" json:"session_created_at,omitempty"`
	SessionExpiresAt *time.Time          `db:"checkout_expires_at" json:"session_expires_at,omitempty"`
	Status           registration.Status `db:"status" json:"status"`
	Cause            registration.Cause  `db:"cause" json:"cause,omitempty"`
	SeatWished       bool                `db:"seat_wished" json:"seat_wished"`
	SeatHeld         bool                `db:"seat_held" json:"seat_held"`
	Flags            pq.StringArray      `db:"attention" json:"attention"`
	Deadline         *time.Time          `db:"deadline" json:"deadline,omitempty"`
	PaidAt           *time.Time          `db:"paid_at" json:"paid_at,omitempty"`
	RemovedAt        *time.Time          `db:"removed_at" json:"removed_at,omitempty"`
	DueAt            *time.Time          `db:"due_at" json:"due_at,omitempty"`
	Blanked          bool                `db:"blanked" json:"blanked"` // its personal fields are gone
}

// Core is the registration as Settle knows it.
func (r Registered) Core() registration.Registration {
	return registration.Registration{
		ID: r.ID, CreatedAt: r.CreatedAt.UTC(), AmountDue: r.AmountDue, Currency: r.Currency, Session: r.Session,
		SessionSetAt: orZero(r.SessionSetAt), SessionCreatedAt: orZero(r.SessionCreatedAt), SessionExpiresAt: orZero(r.SessionExpiresAt),
	}
}

// Moved is a change of a registration's status, cause or place.
type Moved struct {
	At       time.Time           `db:"at" json:"at"`
	From     registration.Status `db:"from_status" json:"from"`
	To       registration.Status `db:"to_status" json:"to"`
	Cause    registration.Cause  `db:"cause" json:"cause,omitempty"`
	SeatHeld bool                `db:"seat_held" json:"seat_held"` // after it
	FactID   string              `db:"fact_id" json:"event,omitempty"`
}

// A registration by its own id, or by that of an event, a session, an intent, a charge or a dispute of it.
const storyOfQuery = `
SELECT coalesce(
    (SELECT r.id FROM registrations r WHERE r.id = $1),
    (SELECT f.registration_id FROM stripe_events f WHERE f.id = $1),
    (SELECT min(r.id) FROM registrations r WHERE r.checkout_session_id = $1),
    (SELECT min(f.registration_id) FROM stripe_events f WHERE f.session_id = $1 AND f.registration_id IS NOT NULL),
    (SELECT min(f.registration_id) FROM stripe_events f WHERE f.intent_id = $1 AND f.registration_id IS NOT NULL),
    (SELECT min(f.registration_id) FROM stripe_events f WHERE f.charge_id = $1 AND f.registration_id IS NOT NULL),
    (SELECT min(f.registration_id) FROM stripe_events f WHERE f.kind IN ('disputed', 'dispute_closed') AND f.detail ->> 'dispute' = $1),
    '')`

// Story tells of the registration that an id leads to: its own, or that of an event, a session, an intent, a
// charge or a dispute. Where it leads to none, it tells of the events that the id leads to.
func (s *Store) Story(ctx context.Context, id string) (Story, error) {
	var story Story
	err := s.report(ctx, func(t *tx) error {
		var of string
		if err := t.GetContext(ctx, &of, storyOfQuery, id); err != nil {
			return fmt.Errorf("find whose %s is: %w", id, err)
		}
		if of == "" {
			return t.unlinkedStory(ctx, id, &story)
		}
		return t.story(ctx, of, &story)
	})
	if err != nil {
		return Story{}, err
	}
	return story, nil
}

const registeredQuery = `
SELECT r.id,
       r.event_id,
       e.title,
       r.created_at,
       r.amount_due,
       coalesce(r.currency, '') AS currency,
       coalesce(r.checkout_session_id, '') AS checkout_session_id,
       r.checkout_set_at,
       r.checkout_created_at,
       r.checkout_expires_at,
       r.status,
       r.cause,
       r.seat_wished,
       r.seat_held,
       r.attention,
       r.deadline,
       r.paid_at,
       r.removed_at,
       r.due_at,
       r.email = '' AND r.name IS NULL AS blanked
FROM registrations r
JOIN events e ON e.id = r.event_id
WHERE r.id = $1`

const (
	eventsOfQuery = `
SELECT` + entryColumns + `
FROM stripe_events f
WHERE f.registration_id = $1
ORDER BY f.stored_at, f.created, f.id`
	historyOfQuery = `
SELECT at, from_status, to_status, cause, seat_held, coalesce(fact_id, '') AS fact_id
FROM registration_history
WHERE registration_id = $1
ORDER BY id`
	mailsOfQuery = `
SELECT` + mailColumns + `
FROM notifications
WHERE coalesce(registration_id, '') = $1
ORDER BY id`
	attentionOfQuery = occurrenceColumns + `
WHERE coalesce(registration_id, '') = $1
ORDER BY raised_at, id`
)

// story reads a registration and all that belongs to it.
func (t *tx) story(ctx context.Context, id string, story *Story) error {
	var row Registered
	if err := t.GetContext(ctx, &row, registeredQuery, id); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read registration: %w", err)
	} else if err == nil {
		story.Registration = &row
	}
	for _, q := range []struct {
		what, query string
		into        any
	}{
		{"events", eventsOfQuery, &story.Events}, {"history", historyOfQuery, &story.History},
		{"mails", mailsOfQuery, &story.Mails}, {"attention", attentionOfQuery, &story.Attention},
	} {
		if err := t.SelectContext(ctx, q.into, q.query, id); err != nil {
			return fmt.Errorf("read %s: %w", q.what, err)
		}
	}
	keys := append([]string{id, row.Session}, keysOf(story.Events)...)
	var err error
	if story.Waiting, err = t.unlinked(ctx, keys); err != nil {
		return err
	}
	story.Waiting = slices.DeleteFunc(story.Waiting, func(e Entry) bool { return e.Outcome != EventWaiting })
	return t.operationsAbout(ctx, append([]string{id}, idsOf(story.Events)...), story)
}

// Events that have no registration, by any of their ids.
const unlinkedEntriesQuery = `
SELECT` + entryColumns + `
FROM stripe_events f
WHERE f.id IN (
    SELECT id FROM stripe_events WHERE id = ANY ($1) AND outcome <> 'settled'
    UNION ALL
    SELECT id FROM stripe_events WHERE registration_ref = ANY ($1) AND outcome = 'waiting'
    UNION ALL
    SELECT id FROM stripe_events WHERE session_id = ANY ($1) AND outcome = 'waiting'
    UNION ALL
    SELECT id FROM stripe_events WHERE intent_id = ANY ($1) AND outcome = 'waiting'
    UNION ALL
    SELECT id FROM stripe_events WHERE charge_id = ANY ($1) AND outcome = 'waiting'
    UNION ALL
    SELECT id FROM stripe_events WHERE detail ->> 'dispute' = ANY ($1) AND kind IN ('disputed', 'dispute_closed') AND outcome = 'waiting')
ORDER BY f.stored_at, f.created, f.id`

func (t *tx) unlinked(ctx context.Context, keys []string) ([]Entry, error) {
	keys = slices.DeleteFunc(keys, func(k string) bool { return k == "" })
	var found []Entry
	if err := t.SelectContext(ctx, &found, unlinkedEntriesQuery, pq.Array(keys)); err != nil {
		return nil, fmt.Errorf("read waiting events: %w", err)
	}
	return found, nil
}

// What a deleted registration left has no index of its own: the whole inbox is read. It is the last thing tried.
const forgottenQuery = `
SELECT` + entryColumns + `
FROM stripe_events f
WHERE f.outcome = 'ignored' AND f.reason = 'registration deleted' AND $1 IN (f.registration_ref, f.session_id, f.intent_id, f.charge_id)
ORDER BY f.stored_at, f.created, f.id
LIMIT 1000`

const unlinkedMailsQuery = `
SELECT` + mailColumns + `
FROM notifications
WHERE coalesce(registration_id, '') = '' AND fact_id = ANY ($1)
    AND slot = ANY (SELECT 'attention:' || flag || ':' || fact FROM unnest($1) fact, unnest(ARRAY ['unlinked_dispute', 'unknown_registration']) flag)
ORDER BY id`

const unlinkedAttentionQuery = occurrenceColumns + `
WHERE fact_id = ANY ($1) AND registration_id IS NULL
ORDER BY raised_at, id`

// unlinkedStory reads the events that an id leads to, and those that these lead to.
func (t *tx) unlinkedStory(ctx context.Context, id string, story *Story) error {
	keys := []string{id}
	for {
		found, err := t.unlinked(ctx, keys)
		if err != nil {
			return err
		}
		grown := len(found) > len(story.Events)
		story.Events = found
		if !grown {
			break
		}
		keys = append([]string{id}, keysOf(found)...)
	}
	if len(story.Events) == 0 {
		if err := t.SelectContext(ctx, &story.Events, forgottenQuery, id); err != nil {
			return fmt.Errorf("read the events of deleted registrations: %w", err)
		}
	}
	ids := idsOf(story.Events)
	if err := t.SelectContext(ctx, &story.Mails, unlinkedMailsQuery, pq.Array(ids)); err != nil {
		return fmt.Errorf("read mails: %w", err)
	}
	if err := t.SelectContext(ctx, &story.Attention, unlinkedAttentionQuery, pq.Array(ids)); err != nil {
		return fmt.Errorf("read attention: %w", err)
	}
	return t.operationsAbout(ctx, append(ids, id), story)
}

// Beside those that name it, those that settle many anew and ran while it changed.
const operationsAboutQuery = `
SELECT id, command, by_whom, detail, started_at, finished_at, coalesce(result, 'null') AS result, coalesce(error, '') AS error
FROM operations
WHERE EXISTS (SELECT FROM jsonb_path_query(jsonb_build_array(detail, result), '$.**') v WHERE v #>> '{}' = ANY ($1))
    OR command IN ('replay', 'verify --repair')
        AND EXISTS (SELECT FROM unnest($2::text[]) m WHERE m::timestamptz BETWEEN started_at AND coalesce(finished_at, started_at + interval '1 hour'))
ORDER BY id`

func (t *tx) operationsAbout(ctx context.Context, ids []string, story *Story) error {
	var moved []string
	for _, m := range story.History {
		moved = append(moved, timeText(m.At))
	}
	if err := t.SelectContext(ctx, &story.Operations, operationsAboutQuery, pq.Array(ids), pq.Array(moved)); err != nil {
		return fmt.Errorf("read operations: %w", err)
	}
	return nil
}

func idsOf(events []Entry) []string {
	ids := make([]string, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// keysOf are the objects that events name.
func keysOf(events []Entry) []string {
	var keys []string
	for _, e := range events {
		keys = append(keys, e.Session, e.Intent, e.Charge)
	}
	return unique(keys)
}

// Keys are the ids by which events of the story can be told in the stream.
func (s Story) Keys() []string {
	keys := append(keysOf(s.Events), keysOf(s.Waiting)...)
	if r := s.Registration; r != nil {
		keys = append(keys, r.ID, r.Session)
	}
	return slices.DeleteFunc(unique(keys), func(k string) bool { return k == "" })
}
