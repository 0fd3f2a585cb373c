package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// MailStatus says what became of a mail.
type MailStatus string

// The statuses. A dropped mail was not wanted any more when its turn came; a suppressed one was wanted while mails
// were off, and is sent only when a person asks for it.
const (
	MailPending    MailStatus = "pending"
	MailSent       MailStatus = "sent"
	MailDropped    MailStatus = "dropped"
	MailFailed     MailStatus = "failed"
	MailSuppressed MailStatus = "suppressed"
)

// Notification is a mail of the outbox whose turn has come, with what it is about.
type Notification struct {
	ID        int64
	Kind      registration.MailKind
	Slot      string
	CreatedAt time.Time
	Attempts  int // this one included
	factID    string
	unwanted  string // why, where the state alone does not say it
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
	// Livemode, Account and Traceparent are those of the event that the mail tells of.
	Livemode    bool
	Account     string
	Traceparent string // empty where no trace is recorded
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
RETURNING n.id, n.kind, n.slot, n.created_at, n.attempts, coalesce(n.registration_id, ''), coalesce(n.fact_id, '')`

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
       coalesce(f.account, ''),
       coalesce(f.traceparent, '')
FROM registrations r
JOIN events e ON e.id = r.event_id
LEFT JOIN stripe_events f ON f.id = $2
WHERE r.id = $1`

// ClaimMails claims up to limit mails whose turn has come, for as long as lease. For each it settles the
// registration anew, to see whether the mail is still wanted; one that is not is dropped at once, in the
// transaction that saw it, so that settling, which waits for that, can want it again.
func (s *Store) ClaimMails(ctx context.Context, limit int, lease time.Duration) ([]Notification, error) {
	var claimed []Notification
	err := s.withTx(ctx, func(t *tx) error {
		var err error
		if claimed, err = t.claim(ctx, limit, lease); err != nil {
			return err
		}
		for i := range claimed {
			n := &claimed[i]
			if err := t.describe(ctx, n, s.policy); err != nil {
				return fmt.Errorf("mail %d: %w", n.ID, err)
			}
			if n.Wanted == nil {
				if err := t.finishMail(ctx, n.ID, MailDropped, n.unwanted, nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

func (t *tx) claim(ctx context.Context, limit int, lease time.Duration) ([]Notification, error) {
	var out []Notification
	err := t.each(ctx, t.statements.claimMails, func(rows *sql.Rows) error {
		var n Notification
		err := rows.Scan(&n.ID, &n.Kind, &n.Slot, &n.CreatedAt, &n.Attempts, &n.RegistrationID, &n.factID)
		out = append(out, n)
		return err
	}, t.now, limit, t.now.Add(lease))
	if err != nil {
		return nil, fmt.Errorf("claim mails: %w", err)
	}
	return out, nil
}

// describe fills in what the mail is about.
func (t *tx) describe(ctx context.Context, n *Notification, p registration.Policy) error {
	switch {
	case n.RegistrationID == "" && n.factID == "":
		return t.describeSilence(ctx, n)
	case n.RegistrationID == "":
		return t.describeUnlinked(ctx, n)
	}
	rows, err := t.registrations(ctx, []string{n.RegistrationID}, false)
	if err != nil || len(rows) == 0 {
		return err
	}
	r := rows[0]
	if err := t.loadFacts(ctx, rows); err != nil {
		return err
	}
	r.state = registration.Settle(r.Registration, r.facts, p)
	r.willHold = r.seatHeld
	r.raise()
	i := slices.IndexFunc(r.mails, func(m registration.Mail) bool { return m.Slot == n.Slot || slices.Contains(m.Same, n.Slot) })
	if i < 0 {
		return nil
	}
	n.Wanted = &r.mails[i]
	var startsAt, deadline *time.Time
	err = t.on(ctx, t.statements.recipient).QueryRowContext(ctx, n.RegistrationID, n.Wanted.Fact.ID).Scan(&n.Email, &n.Name, &n.Locale,
		&n.EventTitle, &startsAt, &n.Status, &n.SeatHeld, &n.AmountDue, &n.Currency, &deadline, &n.Livemode,
		&n.Account, &n.Traceparent)
	if err != nil {
		return fmt.Errorf("load recipient: %w", err)
	}
	n.EventStartsAt, n.Deadline = orZero(startsAt), orZero(deadline)
	if n.Email == "" && !n.Wanted.Kind.ToAdmin() { // erased, or blanked: a mail to nobody can only fail
		n.Wanted, n.unwanted = nil, "the registration has no address"
	}
	return nil
}

const unlinkedQuery = `
SELECT f.kind, f.source, f.created, f.session_id, f.intent_id, f.charge_id, f.detail,
       coalesce(f.registration_ref, ''), f.livemode, coalesce(f.account, ''), coalesce(f.traceparent, '')
FROM stripe_events f
WHERE f.id = $1 AND f.outcome = 'waiting'`

// describeUnlinked fills in what a mail about a fact without a registration says. It is wanted while the fact waits.
func (t *tx) describeUnlinked(ctx context.Context, n *Notification) error {
	r := factRow{id: n.factID}
	err := t.QueryRowContext(ctx, unlinkedQuery, n.factID).Scan(&r.kind, &r.source, &r.created, &r.session, &r.intent, &r.charge, &r.detail,
		&n.RegistrationID, &n.Livemode, &n.Account, &n.Traceparent)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load event: %w", err)
	}
	fact, err := r.fact()
	if err != nil {
		return err
	}
	flag := registration.UnknownRegistration
	if fact.Kind == registration.Disputed {
		flag = registration.UnlinkedDispute
	}
	mail := registration.Attention{Flag: flag, Object: n.factID, Fact: fact}.Mail()
	n.Wanted = &mail
	return nil
}

// What is not claimed any longer has been finished by another claimant, or is wanted anew.
const finishMailQuery = `
UPDATE notifications
SET status = $2,
    last_error = nullif($3, ''),
    send_after = coalesce($4, send_after),
    sent_at = CASE WHEN $2 = 'sent' THEN $5::timestamptz END,
    leased_until = NULL
WHERE id = $1 AND leased_until IS NOT NULL`

// FinishMail records what became of a claimed mail; the first claimant's word holds. A pending one is tried
// again at the time given; reason holds no address and no secret.
func (s *Store) FinishMail(ctx context.Context, id int64, status MailStatus, reason string, again time.Time) error {
	if status == MailPending && again.IsZero() {
		return errors.New("a mail that stays pending needs a time for its next try")
	}
	var next *time.Time
	if !again.IsZero() {
		next = &again
	}
	return s.withTx(ctx, func(t *tx) error { return t.finishMail(ctx, id, status, reason, next) })
}

func (t *tx) finishMail(ctx context.Context, id int64, status MailStatus, reason string, next *time.Time) error {
	if _, err := t.on(ctx, t.statements.finishMail).ExecContext(ctx, id, string(status), reason, next, t.now); err != nil {
		return fmt.Errorf("finish mail %d: %w", id, err)
	}
	return nil
}
