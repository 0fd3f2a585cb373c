package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

const (
	// outboxInterval is how often the outbox is looked into.
	outboxInterval = time.Second
	// outboxSize is how many mails one look claims.
	outboxSize = 20
	// mailLease is how long a claimed mail is nobody else's: longer than all of a claim's tries can take.
	mailLease = 30 * time.Minute
	// mailTimeout bounds one try.
	mailTimeout = time.Minute
	// mailLifetime is after how long a mail that cannot be sent is given up.
	mailLifetime = 24 * time.Hour
)

// outbox sends the mails whose turn has come.
type outbox struct {
	log      *zap.Logger
	store    *store.Store
	settings mail.Settings
	composer *mail.Composer
	sender   mail.Sender
	metrics  *metrics
}

// send takes mails until none is left whose turn has come.
func (o *outbox) send(ctx context.Context) error {
	for {
		claimed, err := o.store.ClaimMails(ctx, outboxSize, mailLease)
		if err != nil || len(claimed) == 0 {
			return err
		}
		for _, n := range claimed {
			status, note, cause := store.MailPending, "stopping", ctx.Err()
			if cause == nil {
				status, note, cause = o.deliver(ctx, n)
			}
			if err := o.finish(ctx, n, status, note, cause); err != nil {
				return err
			}
		}
	}
}

// deliver sends one mail, unless the state has stopped wanting it.
func (o *outbox) deliver(ctx context.Context, n store.Notification) (store.MailStatus, string, error) {
	if n.Wanted == nil {
		return store.MailDropped, "no longer wanted", nil
	}
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	id := fmt.Sprintf("%d.%d", n.ID, n.CreatedAt.UnixMilli())
	message, err := o.composer.Compose(o.content(n), id, n.CreatedAt)
	if err == nil {
		err = o.sender.Send(ctx, message)
	}
	var failure *mail.Failure
	switch {
	case err == nil:
		return store.MailSent, o.place(message), nil
	case errors.As(err, &failure) && failure.Class == mail.Temporary && time.Since(n.CreatedAt) < mailLifetime:
		return store.MailPending, failure.Error(), err
	default:
		return store.MailFailed, err.Error(), err
	}
}

// place names the file of a mail in a mailbox; a mail that went by SMTP has none.
func (o *outbox) place(m *mail.Message) string {
	if box, ok := o.sender.(*mail.Mailbox); ok {
		return box.Path(m)
	}
	return ""
}

// finish records and logs what became of a mail. Place is a file, or the reason why there is none.
func (o *outbox) finish(ctx context.Context, n store.Notification, status store.MailStatus, note string, cause error) error {
	fields := []zap.Field{
		zap.String("kind", string(n.Kind)), zap.String(logging.RegistrationID, n.RegistrationID), zap.Int(logging.Attempt, n.Attempts),
	}
	var next time.Time
	reason := note
	switch status {
	case store.MailSent:
		reason = ""
		if note != "" {
			fields = append(fields, zap.String("file", note))
		}
		o.log.Info("Mail sent", fields...)
	case store.MailDropped:
		o.log.Info("Mail dropped, the registration's state no longer wants it", fields...)
	case store.MailPending:
		next = time.Now().Add(mailBackoff(n.Attempts))
		o.log.Warn("Mail not sent yet, it will be tried again", append(fields, zap.Time("next", next), zap.Error(cause))...)
	case store.MailFailed:
		o.log.Error("Mail given up", append(fields, zap.Error(cause))...)
	}
	o.metrics.mail(n.Kind, status)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mailTimeout) // a mail that went out is recorded, even as we stop
	defer cancel()
	return o.store.FinishMail(ctx, n.ID, status, reason, next)
}

// mailBackoff is the pause after a number of tries: doubling from 15 s to an hour.
func mailBackoff(attempts int) time.Duration {
	return min(15*time.Second<<min(max(attempts-1, 0), 8), time.Hour)
}

// content gathers what a mail says.
func (o *outbox) content(n store.Notification) mail.Content {
	f := n.Wanted.Fact
	c := mail.Content{
		Kind: n.Wanted.Kind, Locale: n.Locale, Name: n.Name, Email: n.Email, RegistrationID: n.RegistrationID, Status: n.Status,
		EventTitle: n.EventTitle, EventDate: n.EventStartsAt,
		Amount:      mail.Money{Minor: f.Amount, Currency: f.Currency},
		WithoutSeat: n.Wanted.Kind == registration.MailPaymentConfirmed && !n.SeatHeld,
		RetryURL:    o.settings.RetryLink(n.RegistrationID), ActionURL: f.ActionURL,
		Message: f.Message, Code: f.Code, DeclineCode: f.DeclineCode,
		Session: f.Session, Intent: f.Intent, Charge: f.Charge, Refund: f.Refund, Dispute: f.Dispute,
		Flag: n.Wanted.Flag, Livemode: n.Livemode, Account: n.Account,
	}
	if n.AmountDue != nil {
		c.AmountDue = mail.Money{Minor: *n.AmountDue, Currency: n.Currency}
	}
	switch f.Kind {
	case registration.IntentCanceled:
		c.CancelReason = f.Reason
	case registration.Disputed, registration.DisputeClosed:
		c.DisputeReason, c.DisputeOutcome, c.DisputeDue = f.Reason, f.Outcome, f.DueBy
	case registration.PaymentFailed:
		c.Amount = c.AmountDue
		c.HoldUntil = n.Deadline
	case registration.RefundFailed:
		c.Detail = f.Reason
	}
	return c
}
