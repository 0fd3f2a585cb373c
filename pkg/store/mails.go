package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// Mail is a mail of the outbox, with what became of it. It names no address.
type Mail struct {
	ID             int64                 `db:"id" json:"number"`
	RegistrationID string                `db:"registration_id" json:"registration,omitempty"`
	FactID         string                `db:"fact_id" json:"event,omitempty"` // that it tells of
	Kind           registration.MailKind `db:"kind" json:"kind"`
	Slot           string                `db:"slot" json:"slot"`
	Status         MailStatus            `db:"status" json:"status"`
	CreatedAt      time.Time             `db:"created_at" json:"created_at"`
	SendAfter      time.Time             `db:"send_after" json:"send_after"`
	LeasedUntil    *time.Time            `db:"leased_until" json:"leased_until,omitempty"` // by a worker that sends it
	Attempts       int                   `db:"attempts" json:"attempts"`
	LastError      string                `db:"last_error" json:"last_error,omitempty"`
	SentAt         *time.Time            `db:"sent_at" json:"sent_at,omitempty"`
}

const mailColumns = `
       id,
       coalesce(registration_id, '') AS registration_id,
       coalesce(fact_id, '') AS fact_id,
       kind,
       slot,
       status,
       created_at,
       send_after,
       leased_until,
       attempts,
       coalesce(last_error, '') AS last_error,
       sent_at`

// MailFilter picks mails: those that meet all that is set.
type MailFilter struct {
	IDs          []int64               `json:"numbers,omitempty"`
	Statuses     []MailStatus          `json:"statuses,omitempty"`
	Registration string                `json:"registration,omitempty"`
	Kind         registration.MailKind `json:"kind,omitempty"`
}

func (f MailFilter) args() []any {
	var statuses []string // none is NULL, which picks all
	for _, s := range f.Statuses {
		statuses = append(statuses, string(s))
	}
	return []any{pq.Array(f.IDs), pq.Array(statuses), f.Registration, string(f.Kind)}
}

const mailsPicked = `
    ($1::bigint[] IS NULL OR id = ANY ($1))
    AND ($2::text[] IS NULL OR status = ANY ($2))
    AND ($3 = '' OR coalesce(registration_id, '') = $3)
    AND ($4 = '' OR kind = $4)`

const listMailsQuery = `
SELECT` + mailColumns + `
FROM notifications
WHERE` + mailsPicked + `
ORDER BY id DESC
LIMIT $5`

// ListMails returns the newest mails that the filter picks, up to limit of them, newest first.
func (s *Store) ListMails(ctx context.Context, f MailFilter, limit int) ([]Mail, error) {
	out := []Mail{} // an empty list, not null, for programs
	err := s.report(ctx, func(t *tx) error {
		return t.SelectContext(ctx, &out, listMailsQuery, append(f.args(), limit)...)
	})
	if err != nil {
		return nil, fmt.Errorf("list mails: %w", err)
	}
	return out, nil
}

// ErrNoSuchMail is returned by MailWanted.
var ErrNoSuchMail = errors.New("no such mail is in the outbox")

// MailWanted returns a mail, and whether the registration's state wants it: else it would not be sent.
func (s *Store) MailWanted(ctx context.Context, id int64) (Mail, bool, error) {
	var m Mail
	var wanted bool
	err := s.report(ctx, func(t *tx) error {
		found := []Mail{}
		if err := t.SelectContext(ctx, &found, listMailsQuery, append(MailFilter{IDs: []int64{id}}.args(), 1)...); err != nil {
			return fmt.Errorf("read mail %d: %w", id, err)
		}
		if len(found) == 0 {
			return fmt.Errorf("%w with number %d", ErrNoSuchMail, id)
		}
		m = found[0]
		n := Notification{ID: m.ID, Kind: m.Kind, Slot: m.Slot, CreatedAt: m.CreatedAt, factID: m.FactID}
		n.RegistrationID = m.RegistrationID
		err := t.describe(ctx, &n, s.policy)
		wanted = n.Wanted != nil
		return err
	})
	return m, wanted, err
}

// Mails that went out are not sent again, and one that a worker is sending is left to it.
const retryMailsQuery = `
UPDATE notifications
SET status = 'pending', send_after = $5, leased_until = NULL, attempts = 0, last_error = NULL
WHERE` + mailsPicked + `
    AND status <> 'sent' AND (leased_until IS NULL OR leased_until <= $5)
RETURNING` + mailColumns

// RetryMails makes mails pending whose turn is now, with all their tries before them, and returns them. Those
// that were sent, or are being sent, are left out.
func (s *Store) RetryMails(ctx context.Context, f MailFilter) ([]Mail, error) {
	if len(f.IDs)+len(f.Statuses) == 0 {
		return nil, errors.New("which mails are to be tried again is not said")
	}
	out := []Mail{}
	err := s.withTx(ctx, func(t *tx) error {
		out = out[:0]
		if err := t.planForValues(ctx); err != nil {
			return err
		}
		return t.SelectContext(ctx, &out, retryMailsQuery, append(f.args(), t.now)...)
	})
	if err != nil {
		return nil, fmt.Errorf("retry mails: %w", err)
	}
	return out, nil
}
