package lookup

import (
	"cmp"

	"github.com/tidwall/gjson"

	"github.com/educareschool/guichet/pkg/registration"
)

// facts are what an answer tells. An answer does not say when what it tells happened, so Created, which must
// be the same whoever asks and whenever, is taken from the object:
//
//   - paid: when the charge was made, else the intent, else the session;
//   - canceled: when the intent was;
//   - all others: the session's expiry, the latest time at which it can have ended or been completed. For a
//     payment on its way later is the safe side: taken too early, a card that was declined before in the same
//     session would look like the end of the delayed payment that followed.
func facts(session string, a SessionAnswer, intent gjson.Result) []registration.Fact {
	f := registration.Fact{
		Source: registration.FromLookup, Created: a.Expires,
		Session: session, Intent: a.Intent, IntentCreated: moment(intent.Get("created")),
	}
	name := string(a.Outcome)
	switch a.Outcome {
	case Paid:
		f.Kind, f.Charge, f.Amount, f.Currency = registration.Paid, a.Charge, a.Amount, a.Currency
		f.Created = cmp.Or(moment(intent.Get("latest_charge.created")), f.IntentCreated, a.Created)
	case Processing:
		f.Kind = registration.PaymentProcessing
	case Failed:
		f.Amount, f.Currency = a.Amount, a.Currency
		if intent.Get("status").Str == "canceled" {
			name = "canceled"
			f.Kind, f.Reason = registration.IntentCanceled, text(intent.Get("cancellation_reason"), maxText)
			f.Created = cmp.Or(moment(intent.Get("canceled_at")), a.Expires)
			break
		}
		last := intent.Get("last_payment_error")
		f.Kind, f.SessionAsync, f.Message = registration.PaymentFailed, true, text(last.Get("message"), maxText)
		f.Code, f.DeclineCode = text(last.Get("code"), maxID), text(last.Get("decline_code"), maxID)
	case Expired:
		f.Kind = registration.SessionExpired
	default:
		return nil
	}
	f.ID = "lookup:" + name + ":" + session
	return []registration.Fact{f}
}

// maxText bounds the words for a failure that are kept.
const maxText = 500
