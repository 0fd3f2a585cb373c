package mail

import (
	"strings"

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

	HoldUntil string
	RetryURL  string
	ActionURL string

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
		HoldUntil: deadline(c.HoldUntil, l), RetryURL: link(c.RetryURL, "https", "http"), ActionURL: link(c.ActionURL, "https"),
		StripeMessage: line(c.Message, longestMessage),
		DisputeDue:    deadline(c.DisputeDue, l), Outcome: identifier(c.DisputeOutcome),
		Flag: line(string(c.Flag), longestID), Detail: line(c.Detail, longestMessage),
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

// fill adds the wordings of Stripe's codes and of the flags, from a language's words.txt.
func (v *view) fill(c Content, words func(name string, v view) (string, error)) error {
	var failed error
	word := func(section, code, part string) string {
		for _, name := range []string{code, "other"} {
			if name == "" {
				continue
			}
			text, err := words(section+"."+name+part, *v)
			if err != nil {
				failed = err
			}
			if text != "" {
				return text
			}
		}
		return ""
	}
	known := func(section, code string) string {
		text, err := words(section+"."+code, *v)
		if err != nil {
			failed = err
		}
		return text
	}
	v.CancelReason = known("cancel", c.CancelReason)
	if c.DisputeReason != "" {
		v.DisputeReason = word("dispute", identifier(c.DisputeReason), "")
	}
	if c.Kind == registration.MailPaymentFailed {
		v.Reason = firstOf(known("decline", c.DeclineCode), known("decline", c.Code), v.StripeMessage, known("decline", "other"))
		if v.Reason == v.StripeMessage {
			v.StripeMessage = ""
		}
	}
	if c.Kind == registration.MailDisputeClosed {
		v.OutcomeTitle = word("outcome", v.Outcome, ".title")
		v.OutcomeWhat = word("outcome", v.Outcome, ".what")
		v.OutcomeToDo = word("outcome", v.Outcome, ".todo")
	}
	if c.Kind == registration.MailAttention {
		v.FlagTitle = word("flag", v.Flag, ".title")
		v.FlagWhat = word("flag", v.Flag, ".what")
		v.FlagToDo = word("flag", v.Flag, ".todo")
	}
	return failed
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if strings.TrimSpace(t) != "" {
			return t
		}
	}
	return ""
}
