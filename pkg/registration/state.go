package registration

import "time"

// Status is a registration's status.
type Status string

// The statuses.
const (
	Pending        Status = "PENDING"
	PaidStatus     Status = "PAID"
	Failed         Status = "FAILED"
	Canceled       Status = "CANCELED"
	Expired        Status = "EXPIRED"
	RefundedStatus Status = "REFUNDED"
)

// Statuses returns every status.
func Statuses() []Status {
	return []Status{Pending, PaidStatus, Failed, Canceled, Expired, RefundedStatus}
}

// Cause says why a registration is FAILED.
type Cause string

// The causes.
const (
	NoCause      Cause = ""
	CausePayment Cause = "payment"
	CauseDispute Cause = "dispute"
)

// Flag is something about a registration that a person should look at.
type Flag string

// The flags. PaidWithoutSeat is raised by the store, which knows the seats; those on facts without a
// registration by cleanup; Silence, which belongs to neither, by the worker that waits for events; all others by
// Settle.
const (
	PaidWithoutSeat     Flag = "paid_without_seat"
	DoublePayment       Flag = "double_payment"
	AmountMismatch      Flag = "amount_mismatch"
	FailedRefund        Flag = "refund_failed"
	UnconfirmedPayment  Flag = "unconfirmed_payment"
	UnknownRegistration Flag = "unknown_registration"
	UnlinkedDispute     Flag = "unlinked_dispute"
	Silence             Flag = "silence"
)

// Flags returns every flag.
func Flags() []Flag {
	return []Flag{
		PaidWithoutSeat, DoublePayment, AmountMismatch, FailedRefund, UnconfirmedPayment, UnknownRegistration, UnlinkedDispute, Silence,
	}
}

// MailKind names a mail.
type MailKind string

// The mails: the first six go to the participant, the others to the admin.
const (
	MailPaymentConfirmed MailKind = "payment_confirmed"
	MailPaymentFailed    MailKind = "payment_failed"
	MailPaymentCanceled  MailKind = "payment_canceled"
	MailActionRequired   MailKind = "action_required"
	MailSessionExpired   MailKind = "session_expired"
	MailRefundConfirmed  MailKind = "refund_confirmed"
	MailDisputeOpened    MailKind = "dispute_opened"
	MailDisputeClosed    MailKind = "dispute_closed"
	MailAttention        MailKind = "attention"
)

// MailKinds returns every kind of mail.
func MailKinds() []MailKind {
	return []MailKind{
		MailPaymentConfirmed, MailPaymentFailed, MailPaymentCanceled, MailActionRequired, MailSessionExpired,
		MailRefundConfirmed, MailDisputeOpened, MailDisputeClosed, MailAttention,
	}
}

// ToAdmin says whether a mail goes to the admin rather than to the participant.
func (k MailKind) ToAdmin() bool {
	return k == MailDisputeOpened || k == MailDisputeClosed || k == MailAttention
}

// Mail is a mail that a state wants. Slot is unique with the registration: a slot is mailed once.
type Mail struct {
	Kind MailKind
	Slot string
	// Same are other slots that stand for the same mail, known under another name before facts tied them:
	// a mail that has one of them is this mail.
	Same []string
	// Flag is the attention that an attention mail tells of.
	Flag Flag
	// Fact is what the mail tells of.
	Fact Fact
}

// Attention is a raised flag. Object tells one occurrence from another: an attempt, a charge.
type Attention struct {
	Flag   Flag
	Object string
	Fact   Fact
}

// Registration is what Settle needs to know of a registration's row: the platform's columns.
type Registration struct {
	ID               string
	CreatedAt        time.Time
	AmountDue        *int64 // minor units; nil leaves the amount unchecked
	Currency         string // empty leaves the currency unchecked
	Session          string
	SessionSetAt     time.Time // when the row was given its session; zero without one
	SessionCreatedAt time.Time // as the platform says; zero when it does not
	SessionExpiresAt time.Time // as the platform says; zero when it does not
}

// Policy is how long places are held.
type Policy struct {
	FailedHold  time.Duration // after the first failure
	PendingHold time.Duration // for sessions whose expiry is not known; 0 holds for ever
	ExpiryGrace time.Duration // after a session's expiry
}

// State is what a registration's facts say.
type State struct {
	Status   Status
	Cause    Cause
	SeatWish bool
	Removed  bool
	// Deadline is when the clock makes a fact of kind Lapse; zero means never.
	Deadline time.Time
	Lapse    FactKind
	// Decisive is the id of the fact that decided the status; empty where no fact did.
	Decisive string
	// PaidAt is when the payment that stands, or would but for an open dispute, was made; zero without one.
	PaidAt    time.Time
	Attention []Attention
	// Mails are what the state wants to be mailed, each slot once.
	Mails []Mail
}
