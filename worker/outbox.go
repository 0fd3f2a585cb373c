package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/tracing"
)

const (
	// outboxInterval is how often the outbox is looked into when nothing wakes it.
	outboxInterval = time.Second
	// outboxSize is how many mails one look claims.
	outboxSize = 20
	// mailTimeout bounds one try. It outlasts the sender's wait for a server's answer to a whole mail.
	mailTimeout = 3 * time.Minute
	// mailLease is how long claimed mails are nobody else's; none is begun that could outlast it.
	mailLease = 2 * mailTimeout
	// recordTimeout bounds the recording of what became of a mail.
	recordTimeout = 10 * time.Second
	// mailTries is how often a mail that cannot be sent for now is tried: with the pauses between, over a day.
	// It counts from the first try, for mails may have waited long for a worker that sends them.
	mailTries = 32
)

// outbox sends the mails whose turn has come.
type outbox struct {
	log      *zap.Logger
	store    *store.Store
	settings mail.Settings
	composer *mail.Composer
	sender   mail.Sender
	limiter  *rate.Limiter // of this worker; nil for none
	metrics  *metrics
	tracer   *tracing.Tracer // nil while traces are off
}

// mailLimiter lets out a number of mails a minute, in bursts of at most a claim; 0 is no limit, and no limiter.
func mailLimiter(perMinute int) *rate.Limiter {
	if perMinute == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(float64(perMinute)/60), min(perMinute, outboxSize))
}

// send takes mails until none is left whose turn has come. It ends early, with the failure, when the
// server itself failed: the next mail would fare the same. When stopping ends it begins no more; the mail on its way has
// until work ends, else the server might take a mail that nobody notes as sent.
func (o *outbox) send(stopping, work context.Context) error {
	for {
		size := outboxSize
		if o.limiter != nil {
			size = min(size, int(o.limiter.Tokens()))
		}
		if size < 1 { // the rate lets more out later
			return nil
		}
		ends := time.Now().Add(mailLease)
		claimed, err := o.store.ClaimMails(work, size, mailLease)
		if err != nil || len(claimed) == 0 {
			return err
		}
		var stopped error
		for _, n := range claimed {
			status, note, cause := store.MailPending, "not begun", stopped
			if cause == nil {
				if o.limiter != nil {
					o.limiter.Allow()
				}
				status, note, cause = o.deliver(work, n)
			}
			if err := o.finish(work, n, status, note, cause); err != nil {
				return err
			}
			var failure *mail.Failure
			switch {
			case stopping.Err() != nil:
				stopped = stopping.Err()
			case errors.As(cause, &failure) && failure.OfServer():
				stopped = cause
			case time.Until(ends) < mailTimeout:
				stopped = errors.New("the claim's time is over")
			}
		}
		if stopped != nil {
			return stopped
		}
	}
}

// deliver sends one mail, unless the state has stopped wanting it.
func (o *outbox) deliver(work context.Context, n store.Notification) (status store.MailStatus, note string, err error) {
	if n.Wanted == nil {
		return store.MailDropped, "no longer wanted", nil
	}
	span := o.startMail(n)
	defer func() { endMail(span, status) }()
	ctx, cancel := context.WithTimeout(work, mailTimeout)
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
	case work.Err() != nil, errors.As(err, &failure) && failure.Class == mail.Temporary && n.Attempts < mailTries:
		return store.MailPending, err.Error(), err
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
	o.metrics.mail(n.Kind, status, time.Since(n.CreatedAt))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout) // a mail that went out is recorded, even as we stop
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
		EventTitle: n.EventTitle, EventDate: local(n.EventStartsAt),
		Amount:      mail.Money{Minor: f.Amount, Currency: f.Currency},
		WithoutSeat: !n.SeatHeld && (n.Wanted.Kind == registration.MailPaymentConfirmed || n.Wanted.Kind == registration.MailPaymentFailed),
		RetryURL:    o.settings.RetryLink(n.RegistrationID), ActionURL: f.ActionURL,
		Message: f.Message, Code: f.Code, DeclineCode: f.DeclineCode,
		Session: f.Session, Intent: f.Intent, Charge: f.Charge, Refund: f.Refund, Dispute: f.Dispute,
		Flag: n.Wanted.Flag, Livemode: n.Livemode, Account: n.Account,
	}
	if n.Wanted.Kind.ToAdmin() {
		c.Locale = o.settings.AdminLocale
	}
	if n.AmountDue != nil {
		c.AmountDue = mail.Money{Minor: *n.AmountDue, Currency: n.Currency}
	}
	if c.Flag == registration.Silence {
		c.Since = local(f.Created)
	}
	switch f.Kind {
	case registration.PaymentFailed, registration.ActionRequired, registration.IntentCanceled, registration.SessionExpired:
		if f.Currency == "" { // as when the clock or an expired session told it
			c.Amount = c.AmountDue
		}
	}
	switch f.Kind {
	case registration.IntentCanceled:
		c.CancelReason = f.Reason
	case registration.Disputed, registration.DisputeClosed:
		c.DisputeReason, c.DisputeOutcome, c.DisputeDue = f.Reason, f.Outcome, local(f.DueBy)
	case registration.PaymentFailed:
		if n.Deadline.After(time.Now()) { // an event that comes days late tells of a time that is over
			c.HoldUntil = local(n.Deadline)
		}
	case registration.RefundFailed:
		c.Detail = f.Reason
	}
	return c
}

// local is a time in the zone of TZ, in which mails name hours; the zero time stays zero.
func local(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(time.Local)
}
