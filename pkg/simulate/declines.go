package simulate

import (
	"slices"
	"strings"
)

// Decline is why a card payment failed, in the words that Stripe gives the buyer.
type Decline struct {
	Code        string // of the error, such as card_declined
	DeclineCode string // the issuer's reason; empty where Stripe itself refused
	Message     string
}

// CardDeclined is what the test card 4000000000000002 meets.
func CardDeclined() Decline {
	return Decline{"card_declined", "generic_decline", "Your card was declined."}
}

// declines are the failures of Stripe's test cards, by the name used to ask for one.
func declines() map[string]Decline {
	return map[string]Decline{
		"generic_decline":         CardDeclined(),
		"insufficient_funds":      {"card_declined", "insufficient_funds", "Your card has insufficient funds."},
		"lost_card":               {"card_declined", "lost_card", "Your card was declined."},
		"expired_card":            {"expired_card", "", "Your card has expired."},
		"incorrect_cvc":           {"incorrect_cvc", "", "Your card's security code is incorrect."},
		"processing_error":        {"processing_error", "", "An error occurred while processing your card. Try again in a little bit."},
		"authentication_required": {"authentication_required", "authentication_required", "Your card was declined. This transaction requires authentication."},
	}
}

// DeclineNames are the declines that Choices.Decline can ask for.
func DeclineNames() []string {
	var names []string
	for name := range declines() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (d Decline) docURL() string {
	return "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(d.Code, "_", "-")
}
