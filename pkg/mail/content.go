// Package mail says what Guichet's mails say, and hands them over.
//
// A Content is what is known; a Renderer turns it into subject, text and HTML by templates in the reader's
// language; a Composer adds sender, recipient and headers; a Sender takes the finished Message to an SMTP
// server or into a folder. Which mails are wanted, when, and how often they are tried is the outbox's.
package mail

import (
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// Content is what a mail is about. Only Kind is required; what is not known stays empty and is not
// spoken of. Every text in it may come from a stranger: rendering bounds and cleans it.
type Content struct {
	Kind registration.MailKind
	// Locale is the reader's: the participant's, or for an admin's mail the admin's. See LanguageOf.
	Locale string

	// Name and Email are the participant's. Mails to the admin name them too, and go to ADMIN_EMAIL.
	Name  string
	Email string

	RegistrationID string
	Status         registration.Status
	EventTitle     string
	// EventDate is written in its own location; midnight is taken for a day without an hour.
	EventDate time.Time

	// Amount is what was paid, failed, refunded or disputed; AmountDue what the platform asked for.
	Amount    Money
	AmountDue Money

	// WithoutSeat gives a confirmed payment the wording of one that found no place left, and a failed one that
	// of a place which is no longer kept.
	WithoutSeat bool
	// HoldUntil is how long a failed payment's place is kept, written in its own location.
	HoldUntil time.Time
	// RetryURL is where to pay or register again: http or https. See Settings.RetryLink.
	RetryURL string
	// ActionURL is Stripe's 3-D Secure page: https.
	ActionURL string

	// Message, Code and DeclineCode are Stripe's words and codes for a failure.
	Message     string
	Code        string
	DeclineCode string
	// CancelReason is a payment intent's cancellation_reason.
	CancelReason string

	// Session, Intent, Charge, Refund and Dispute are Stripe's ids of what happened.
	Session string
	Intent  string
	Charge  string
	Refund  string
	Dispute string
	// DisputeReason and DisputeOutcome are a dispute's reason and, once it is closed, its status.
	DisputeReason  string
	DisputeOutcome string
	// DisputeDue is until when evidence is taken, written in its own location.
	DisputeDue time.Time

	// Flag is what an attention mail is about; Detail is whatever else is known about it.
	Flag   registration.Flag
	Detail string

	// Since is when the last event came, of a silence, written in its own location.
	Since time.Time

	// Livemode is false for Stripe's test mode: links lead there, and mails to the admin say so.
	Livemode bool
	// Account is the Connect account of the payment; empty for the platform's own.
	Account string
}
