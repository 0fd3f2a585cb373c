package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// Personal is what the database holds of the person that a registration is about, and what leads to more.
type Personal struct {
	Registration string              `json:"registration"`
	Status       registration.Status `json:"status,omitempty"` // empty where the row is gone and its events are left
	Fields       bool                `json:"fields"`           // the row has a name or an address
	Mails        int                 `json:"mails"`            // wait to be sent to them
	Notes        int                 `json:"notes"`            // that people wrote about its attention
	// Events are the ids of the events about it, IDs those of Stripe's objects that they tell of, and its own.
	Events []string `json:"-"`
	IDs    []string `json:"-"`
}

// Empty says whether nothing is left in the database that could be erased.
func (p Personal) Empty() bool { return !p.Fields && p.Mails == 0 && p.Notes == 0 }

// ErrUnknownRegistration is that neither a row nor an event names a registration.
var ErrUnknownRegistration = errors.New("there is no such registration")

const personalQuery = `
SELECT r.status,
       r.email <> '' OR r.name IS NOT NULL,
       coalesce(r.checkout_session_id, ''),
       (SELECT count(*)
        FROM notifications n
        WHERE coalesce(n.registration_id, '') = r.id AND n.status = 'pending' AND n.kind = ANY ($2)),
       (SELECT count(*) FROM attention a WHERE coalesce(a.registration_id, '') = r.id AND a.note IS NOT NULL)
FROM registrations r
WHERE r.id = $1`

// The events of a row that is there are linked to it or wait for it. Those of one that is gone are found by what
// they name alone, which takes reading the whole inbox.
const eventsAboutQuery = `
SELECT f.id,
       array_remove(ARRAY [f.session_id, f.intent_id, f.charge_id, f.detail ->> 'dispute', f.detail ->> 'refund'], NULL)
FROM stripe_events f
WHERE f.registration_id = $1 OR f.outcome = 'waiting' AND f.registration_ref = $1 OR NOT $2 AND f.registration_ref = $1`

// Personal finds what is held of the person that a registration is about.
func (s *Store) Personal(ctx context.Context, id string) (Personal, error) {
	p := Personal{Registration: id}
	ids := map[string]bool{id: true}
	err := s.report(ctx, func(t *tx) error {
		var session string
		err := t.QueryRowContext(ctx, personalQuery, id, pq.Array(toParticipants())).Scan(&p.Status, &p.Fields, &session, &p.Mails, &p.Notes)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("look a registration up: %w", err)
		}
		there := err == nil
		if session != "" {
			ids[session] = true
		}
		rows, err := t.QueryContext(ctx, eventsAboutQuery, id, there)
		if err != nil {
			return fmt.Errorf("look for a registration's events: %w", err)
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var event string
			var named []string
			if err := rows.Scan(&event, (*pq.StringArray)(&named)); err != nil {
				return fmt.Errorf("look for a registration's events: %w", err)
			}
			p.Events = append(p.Events, event)
			for _, id := range named {
				ids[id] = true
			}
		}
		if !there && len(p.Events) == 0 {
			return fmt.Errorf("%w: %s", ErrUnknownRegistration, id)
		}
		return rows.Err()
	})
	delete(ids, "")
	for id := range ids {
		p.IDs = append(p.IDs, id)
	}
	p.IDs = unique(p.IDs)
	return p, err
}

// toParticipants are the kinds of mail that go to participants.
func toParticipants() []string {
	var out []string
	for _, kind := range registration.MailKinds() {
		if !kind.ToAdmin() {
			out = append(out, string(kind))
		}
	}
	return out
}

const eraseMailsQuery = `
UPDATE notifications
SET status = 'dropped', last_error = 'erased', leased_until = NULL
WHERE coalesce(registration_id, '') = $1 AND status = 'pending' AND kind = ANY ($2)`

// Erase blanks the personal fields of a registration, drops the mails that wait for its participant, and removes
// what people noted about its attention. Status, amounts, history and facts stay. Without anything to erase it
// changes nothing.
func (s *Store) Erase(ctx context.Context, id string) error {
	return s.withTx(ctx, func(t *tx) error {
		for _, step := range []struct {
			what, query string
			args        []any
		}{
			{"lock the registration", `SELECT FROM registrations WHERE id = $1 FOR NO KEY UPDATE`, []any{id}},
			{"blank the registration", `UPDATE registrations SET email = '', name = NULL WHERE id = $1 AND (email <> '' OR name IS NOT NULL)`, []any{id}},
			{"drop its mails", eraseMailsQuery, []any{id, pq.Array(toParticipants())}},
			{"remove notes", `UPDATE attention SET note = NULL WHERE coalesce(registration_id, '') = $1 AND note IS NOT NULL`, []any{id}},
		} {
			if _, err := t.ExecContext(ctx, step.query, step.args...); err != nil {
				return fmt.Errorf("%s: %w", step.what, err)
			}
		}
		return nil
	})
}
