package mail

import (
	"cmp"

	"github.com/educareschool/guichet/pkg/registration"
)

// view is what templates see: a Content cleaned and written out in the reader's language. What is not
// known is empty. templates/LISEZMOI.md describes every field to those who edit templates.
type view struct {
	Language Language
	// Sender is who writes; Replies says whether an answer reaches anybody.
	Sender  string
	Replies bool
	// Tone is good, warning or calm: the colour of the mail.
	Tone string
	// Admin says that the reader is the admin.
	Admin bool
	// Test says that this is Stripe's test mode.
	Test bool

	Name         string
	Email        string
	Registration string
	Status       string
	Event        string
	Date         string
	Amount       string // empty also for nothing to pay
	AmountDue    string

	HoldUntil   string
	WithoutSeat bool // of a failed payment: its place is no longer kept
	RetryURL    string
	ActionURL   string

	Reason        string // of a failure, in words of the language where its code is known, else Stripe's
	StripeMessage string // Stripe's words, where Reason says it otherwise
	CancelReason  string

	DisputeReason string
	DisputeDue    string
	Outcome       string // Stripe's status of a closed dispute
	OutcomeTitle  string
	OutcomeWhat   string
	OutcomeToDo   string

	Flag      string
	FlagTitle string
	FlagWhat  string
	FlagToDo  string
	Detail    string
	Since     string // when the last event came, of a silence

	Session   string
	Intent    string
	Charge    string
	Refund    string
	Dispute   string
	Dashboard string
}

func newView(c Content, l Language, b Brand) view {
	v := view{
		Language: l, Sender: line(b.Sender, longestName), Replies: b.Replies, Tone: tone(c),
		Admin: c.Kind.ToAdmin(), Test: !c.Livemode,
		Name: personName(c.Name), Email: line(c.Email, longestTitle),
		Registration: line(c.RegistrationID, longestID), Status: line(string(c.Status), longestID),
		Event: line(c.EventTitle, longestTitle), Date: date(c.EventDate, l),
		AmountDue: c.AmountDue.In(l),
		HoldUntil: deadline(c.HoldUntil, l), WithoutSeat: c.WithoutSeat, RetryURL: link(c.RetryURL, "https", "http"), ActionURL: link(c.ActionURL, "https"),
		StripeMessage: line(c.Message, longestMessage),
		DisputeDue:    deadline(c.DisputeDue, l), Outcome: identifier(c.DisputeOutcome),
		Flag: line(string(c.Flag), longestID), Detail: line(c.Detail, longestMessage), Since: deadline(c.Since, l),
		Session: identifier(c.Session), Intent: identifier(c.Intent), Charge: identifier(c.Charge),
		Refund: identifier(c.Refund), Dispute: identifier(c.Dispute), Dashboard: dashboard(c),
	}
	if c.Amount.Minor != 0 {
		v.Amount = c.Amount.In(l)
	}
	return v
}

func tone(c Content) string {
	switch {
	case c.mailName() == string(registration.MailPaymentConfirmed), c.DisputeOutcome == "won":
		return "good"
	case c.Kind == registration.MailPaymentCanceled, c.Kind == registration.MailSessionExpired,
		c.Kind == registration.MailRefundConfirmed, c.DisputeOutcome == "warning_closed":
		return "calm"
	default:
		return "warning"
	}
}

// fill adds the wordings of Stripe's codes and of the flags.
func (v *view) fill(c Content, w *wordings) {
	v.CancelReason = w.of("cancel", c.CancelReason)
	switch c.Kind {
	case registration.MailPaymentFailed:
		v.Reason = cmp.Or(w.of("decline", c.DeclineCode), w.of("decline", c.Code), v.StripeMessage, w.of("decline", "other"))
		if v.Reason == v.StripeMessage {
			v.StripeMessage = ""
		}
	case registration.MailDisputeClosed:
		v.OutcomeTitle = w.orOther("outcome", v.Outcome, ".title")
		v.OutcomeWhat = w.orOther("outcome", v.Outcome, ".what")
		v.OutcomeToDo = w.orOther("outcome", v.Outcome, ".todo")
	case registration.MailAttention:
		v.FlagTitle = w.orOther("flag", v.Flag, ".title")
		v.FlagWhat = w.orOther("flag", v.Flag, ".what")
		v.FlagToDo = w.orOther("flag", v.Flag, ".todo")
	}
	if c.DisputeReason != "" {
		v.DisputeReason = w.orOther("dispute", c.DisputeReason, "")
	}
}
