package timeline

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
)

// Money is an amount in minor units of its currency, as people write it.
func Money(minor int64, currency string) string {
	text := mail.Money{Minor: minor, Currency: currency}.In(mail.English)
	if text == "" {
		return fmt.Sprintf("%d of an unknown currency", minor)
	}
	return strings.ReplaceAll(text, "\u00a0", " ")
}

func when(t time.Time) string { return t.UTC().Format(time.DateTime) }

// Span is a duration as people read it: its two greatest units.
func Span(d time.Duration) string {
	if d < 0 {
		return "-" + Span(-d)
	}
	two := func(great, small time.Duration, names string) string {
		text := fmt.Sprintf("%d%c", d/great, names[0])
		if rest := d % great / small; rest > 0 {
			text += fmt.Sprintf("%d%c", rest, names[1])
		}
		return text
	}
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.Replace(fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds()), ".0s", "s", 1)
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return two(time.Minute, time.Second, "ms")
	case d < 24*time.Hour:
		return two(time.Hour, time.Minute, "hm")
	}
	return two(24*time.Hour, time.Hour, "dh")
}

// brief is an id that can still be recognised: those of sessions are long.
func brief(id string) string {
	const longest = 32
	if len(id) <= longest {
		return id
	}
	return id[:longest-12] + "…"
}

// payment names what was paid with: the intent, else the session, else the charge.
func payment(f registration.Fact) string {
	return brief(cmp.Or(f.Intent, f.Session, f.Charge, "an unknown payment"))
}

// says is what a fact tells, in a sentence without its end.
func says(f registration.Fact) string {
	text := tells(f)
	if f.Source == registration.FromLookup {
		return "Stripe, when it was asked, said: " + text
	}
	return text
}

func tells(f registration.Fact) string {
	switch f.Kind {
	case registration.Paid:
		if f.Amount == 0 {
			return "complete, and nothing was to be paid (" + payment(f) + ")"
		}
		return Money(f.Amount, f.Currency) + " paid with " + payment(f)
	case registration.PaymentProcessing:
		return "checkout is complete, and the money of " + payment(f) + " is on its way"
	case registration.PaymentFailed:
		return payment(f) + " failed: " + failure(f)
	case registration.ActionRequired:
		return payment(f) + " wants the buyer to act (3-D Secure)"
	case registration.IntentCanceled:
		return payment(f) + " was canceled" + because(f.Reason)
	case registration.SessionExpired:
		if f.Source == registration.FromClock {
			return "the deadline of " + when(f.Created) + " passed without a payment"
		}
		return "session " + brief(f.Session) + " expired"
	case registration.HoldExpired:
		return "the place of the failed payment was held until " + when(f.Created)
	case registration.IntentSucceeded:
		return payment(f) + " succeeded, which alone confirms nothing"
	case registration.Unconfirmed:
		return payment(f) + " succeeded, and no event of its session has confirmed it for 15 minutes"
	case registration.SessionOpen:
		return "session " + brief(f.Session) + " can be paid until " + when(f.DueBy)
	case registration.Located:
		return "these belong together: " + strings.Join(nonEmpty(f.Charge, f.Intent, brief(f.Session)), ", ")
	case registration.ChargeRefunded:
		part := "a part of "
		if f.FullyRefunded {
			part = "all of "
		}
		return Money(f.Amount, f.Currency) + " refunded, " + part + cmp.Or(f.Intent, f.Charge)
	case registration.RefundFailed:
		return "refund " + f.Refund + " of " + Money(f.Amount, f.Currency) + " came back" + because(f.Reason)
	}
	return tellsDispute(f)
}

func tellsDispute(f registration.Fact) string {
	what := "dispute " + f.Dispute
	switch f.Kind {
	case registration.Disputed:
		text := what + " over " + Money(f.Amount, f.Currency) + " of " + cmp.Or(f.Intent, f.Charge) + " opened" + because(f.Reason)
		if !f.DueBy.IsZero() {
			text += ", evidence due by " + when(f.DueBy)
		}
		return text
	case registration.DisputeClosed:
		return what + " closed: " + cmp.Or(f.Outcome, "its outcome is not known")
	case registration.DisputeUpdated:
		return what + " is " + cmp.Or(f.Outcome, "changed") + ", which changes nothing here"
	}
	return string(f.Kind)
}

// failure is why a payment failed: Stripe's words and codes.
func failure(f registration.Fact) string {
	words, codes := f.Message, strings.Join(nonEmpty(f.Code, f.DeclineCode), ", ")
	switch {
	case words == "" && codes == "":
		return "Stripe does not say why"
	case words == "":
		return codes
	case codes == "":
		return words
	}
	return words + " (" + codes + ")"
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func nonEmpty(words ...string) []string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}
