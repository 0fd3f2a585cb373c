package mail_test

import (
	"time"

	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
)

// paris is Paris in winter and in summer, without the machine's time zone files.
func paris(summer bool) *time.Location {
	if summer {
		return time.FixedZone("CEST", 2*60*60)
	}
	return time.FixedZone("CET", 60*60)
}

// samples are the mails of the golden files, by the file's name.
func samples(locale string) map[string]mail.Content {
	title := map[string]string{"fr": "Atelier d'écriture & thé", "en": "Writing workshop & tea"}[locale]
	base := mail.Content{
		Locale: locale, Name: "Zoé d'Arc", Email: "zoe@example.org",
		RegistrationID: "reg-01J9ZK3M7Q", EventTitle: title,
		EventDate: time.Date(2026, time.March, 14, 19, 30, 0, 0, paris(false)),
		Amount:    mail.Money{Minor: 2500, Currency: "eur"},
		RetryURL:  "https://billets.example.org/inscriptions/reg-01J9ZK3M7Q/paiement",
		Session:   "cs_live_a1B2c3D4e5F6g7H8i9J0", Intent: "pi_3PqR5tLkdIwHu7ix28a3tqPa", Charge: "ch_3PqR5tLkdIwHu7ix2KAaqYdL",
		Livemode: true,
	}
	with := func(kind registration.MailKind, change func(*mail.Content)) mail.Content {
		c := base
		c.Kind = kind
		if change != nil {
			change(&c)
		}
		return c
	}
	dispute := func(outcome string) func(*mail.Content) {
		return func(c *mail.Content) {
			c.Status, c.Dispute, c.DisputeReason, c.DisputeOutcome = registration.Failed, "dp_1PqR5tLkdIwHu7ixDVNi7Gjn", "fraudulent", outcome
			if outcome == "won" || outcome == "warning_closed" {
				c.Status = registration.PaidStatus
			}
			c.DisputeDue = time.Date(2026, time.April, 1, 23, 59, 59, 0, time.UTC)
		}
	}
	all := map[string]mail.Content{
		"payment_confirmed": with(registration.MailPaymentConfirmed, nil),
		"payment_confirmed_free": with(registration.MailPaymentConfirmed, func(c *mail.Content) {
			c.Amount.Minor = 0
		}),
		"payment_confirmed_without_seat": with(registration.MailPaymentConfirmed, func(c *mail.Content) { c.WithoutSeat = true }),
		"payment_failed": with(registration.MailPaymentFailed, func(c *mail.Content) {
			c.Message, c.Code, c.DeclineCode = "Your card has insufficient funds.", "card_declined", "insufficient_funds"
			c.HoldUntil = time.Date(2026, time.March, 1, 18, 5, 0, 0, paris(false))
		}),
		"payment_failed_unknown_code": with(registration.MailPaymentFailed, func(c *mail.Content) {
			c.Message, c.Code, c.RetryURL = "Your card was declined.", "something_new", ""
		}),
		"payment_failed_place_gone": with(registration.MailPaymentFailed, func(c *mail.Content) {
			c.Message, c.Code, c.DeclineCode, c.WithoutSeat = "Your card was declined.", "card_declined", "generic_decline", true
		}),
		"payment_canceled": with(registration.MailPaymentCanceled, func(c *mail.Content) { c.CancelReason = "requested_by_customer" }),
		"action_required": with(registration.MailActionRequired, func(c *mail.Content) {
			c.ActionURL = "https://hooks.stripe.com/3d_secure_2/hosted?merchant=acct_1&payment_intent=pi_3PqR5tLkdIwHu7ix28a3tqPa"
		}),
		"action_required_without_link": with(registration.MailActionRequired, func(c *mail.Content) { c.RetryURL = "" }),
		"session_expired":              with(registration.MailSessionExpired, nil),
		"refund_confirmed":             with(registration.MailRefundConfirmed, nil),
		"dispute_opened":               with(registration.MailDisputeOpened, dispute("")),
		"dispute_closed_won":           with(registration.MailDisputeClosed, dispute("won")),
		"dispute_closed_lost":          with(registration.MailDisputeClosed, dispute("lost")),
		"dispute_closed_inquiry":       with(registration.MailDisputeClosed, dispute("warning_closed")),
		"dispute_closed_unknown":       with(registration.MailDisputeClosed, dispute("something_new")),
	}
	for _, flag := range append(flags(), "something_new") {
		all["attention_"+string(flag)] = with(registration.MailAttention, func(c *mail.Content) {
			c.Flag, c.Status, c.Livemode = flag, registration.PaidStatus, false
			switch flag {
			case registration.AmountMismatch:
				c.AmountDue = mail.Money{Minor: 3000, Currency: "eur"}
			case registration.FailedRefund:
				c.Refund = "re_3PqR5tLkdIwHu7ix0b1c2d3e"
			case registration.UnknownRegistration:
				c.Name, c.Email, c.EventTitle, c.EventDate, c.Status = "", "", "", time.Time{}, ""
			case registration.UnlinkedDispute:
				c.Name, c.Email, c.EventTitle, c.EventDate, c.Status, c.RegistrationID = "", "", "", time.Time{}, "", ""
				dispute("")(c)
				c.Status = ""
			case registration.Silence:
				*c = mail.Content{Kind: c.Kind, Locale: c.Locale, Flag: flag, Livemode: true, Since: time.Date(2026, time.March, 14, 9, 5, 0, 0, paris(false))}
			}
		})
	}
	return all
}

func flags() []registration.Flag {
	return []registration.Flag{
		registration.PaidWithoutSeat, registration.DoublePayment, registration.AmountMismatch, registration.FailedRefund,
		registration.UnconfirmedPayment, registration.UnknownRegistration, registration.UnlinkedDispute, registration.Silence,
	}
}

func kinds() []registration.MailKind {
	return []registration.MailKind{
		registration.MailPaymentConfirmed, registration.MailPaymentFailed, registration.MailPaymentCanceled,
		registration.MailActionRequired, registration.MailSessionExpired, registration.MailRefundConfirmed,
		registration.MailDisputeOpened, registration.MailDisputeClosed, registration.MailAttention,
	}
}
