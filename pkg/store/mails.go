package store

import (
	"time"

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
