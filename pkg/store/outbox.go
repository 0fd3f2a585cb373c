package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// MailStatus says what became of a mail.
type MailStatus string

// The statuses. A dropped mail was not wanted any more when its turn came.
const (
	MailPending MailStatus = "pending"
	MailSent    MailStatus = "sent"
	MailDropped MailStatus = "dropped"
	MailFailed  MailStatus = "failed"
)

// Notification is a mail of the outbox whose turn has come, with what it is about.
type Notification struct {
	ID        int64
	Kind      registration.MailKind
	Slot      string
	CreatedAt time.Time
	Attempts  int // this one included
	// Wanted is the mail as the state wants it now; nil where it does not any longer.
	Wanted *registration.Mail
	Recipient
}

// Recipient is the registration that a mail is about.
type Recipient struct {
	RegistrationID string
	Email, Name    string
	Locale         string
	EventTitle     string
	EventStartsAt  time.Time // zero where the platform gave none
	Status         registration.Status
	SeatHeld       bool
	AmountDue      *int64
	Currency       string
	Deadline       time.Time // of the place; zero where none runs
	// Livemode and Account are those of the event that the mail tells of.
	Livemode bool
	Account  string
}

// A mail is claimed for a time: whoever claims it and dies leaves it to the next.
const claimMailsQuery = `
WITH next AS (
    SELECT n.id
    FROM notifications n
    WHERE n.status = 'pending' AND n.send_after <= $1 AND (n.leased_until IS NULL OR n.leased_until <= $1)
    ORDER BY n.send_after, n.id
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE notifications n
SET leased_until = $3, attempts = n.attempts + 1
FROM next
WHERE n.id = next.id
RETURNING n.id, n.kind, n.slot, n.created_at, n.attempts, coalesce(n.registration_id, '')`

const recipientQuery = `
SELECT r.email,
       coalesce(r.name, ''),
       r.locale,
       e.title,
       e.starts_at,
       r.status,
       r.seat_held,
       r.amount_due,
       coalesce(r.currency, ''),
       r.deadline,
       coalesce(f.livemode, false),
       coalesce(f.account, '')
FROM registrations r
JOIN events e ON e.id = r.event_id
LEFT JOIN stripe_events f ON f.id = $2
WHERE r.id = $1`

// ClaimMails claims up to limit mails whose turn has come, for as long as lease. For each it settles the
// registration anew, to see whether the mail is still wanted.
func (s *Store) ClaimMails(ctx context.Context, limit int, lease time.Duration) ([]Notification, error) {
	now := s.now()
	claimed, err := s.claim(ctx, now, limit, lease)
	if err != nil {
		return nil, err
	}
	for i := range claimed {
		if err := s.describe(ctx, &claimed[i]); err != nil {
			return nil, fmt.Errorf("mail %d: %w", claimed[i].ID, err)
		}
	}
	return claimed, nil
}

func (s *Store) claim(ctx context.Context, now time.Time, limit int, lease time.Duration) ([]Notification, error) {
	rows, err := s.statements.claimMails.QueryContext(ctx, now, limit, now.Add(lease))
	if err != nil {
		return nil, fmt.Errorf("claim mails: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []Notification
	for rows.Next() {
		var n Notification
		if err := rows.Scan(&n.ID, &n.Kind, &n.Slot, &n.CreatedAt, &n.Attempts, &n.RegistrationID); err != nil {
			return nil, fmt.Errorf("claim mails: %w", err)
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// describe fills in what the mail is about.
func (s *Store) describe(ctx context.Context, n *Notification) error {
	pool := &tx{nil, s.statements, s.now()}
	rows, err := pool.registrations(ctx, []string{n.RegistrationID}, false)
	if err != nil || len(rows) == 0 {
		return err
	}
	r := rows[0]
	if err := pool.loadFacts(ctx, rows); err != nil {
		return err
	}
	r.state = registration.Settle(r.Registration, r.facts, s.policy)
	r.willHold = r.seatHeld
	r.raise()
	for i := range r.mails {
		if r.mails[i].Slot == n.Slot {
			n.Wanted = &r.mails[i]
		}
	}
	if n.Wanted == nil {
		return nil
	}
	var startsAt, deadline *time.Time
	err = s.db.QueryRowContext(ctx, recipientQuery, n.RegistrationID, n.Wanted.Fact.ID).Scan(&n.Email, &n.Name, &n.Locale,
		&n.EventTitle, &startsAt, &n.Status, &n.SeatHeld, &n.AmountDue, &n.Currency, &deadline, &n.Livemode, &n.Account)
	if err != nil {
		return fmt.Errorf("load recipient: %w", err)
	}
	n.EventStartsAt, n.Deadline = orZero(startsAt), orZero(deadline)
	return nil
}

const finishMailQuery = `
UPDATE notifications
SET status = $2,
    last_error = nullif($3, ''),
    send_after = coalesce($4, send_after),
    sent_at = CASE WHEN $2 = 'sent' THEN $5::timestamptz END,
    leased_until = NULL
WHERE id = $1`

// FinishMail records what became of a claimed mail. A pending one is tried again at the time given; reason
// holds no address and no secret.
func (s *Store) FinishMail(ctx context.Context, id int64, status MailStatus, reason string, again time.Time) error {
	if status == MailPending && again.IsZero() {
		return errors.New("a mail that stays pending needs a time for its next try")
	}
	var next *time.Time
	if !again.IsZero() {
		next = &again
	}
	if _, err := s.statements.finishMail.ExecContext(ctx, id, string(status), reason, next, s.now()); err != nil {
		return fmt.Errorf("finish mail %d: %w", id, err)
	}
	return nil
}
