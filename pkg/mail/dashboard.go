package mail

import "github.com/educareschool/guichet/pkg/registration"

// dashboard returns the page of Stripe's dashboard to open for a content: its dispute, else its payment; of a
// silence the webhook endpoints. It is empty when Stripe's ids are not known. A charge's page leads to its payment.
func dashboard(c Content) string {
	var page string
	switch dispute, intent, charge := identifier(c.Dispute), identifier(c.Intent), identifier(c.Charge); {
	case c.Flag == registration.Silence:
		page = "webhooks"
	case dispute != "":
		page = "disputes/" + dispute
	case intent != "":
		page = "payments/" + intent
	case charge != "":
		page = "payments/" + charge
	default:
		return ""
	}
	base := "https://dashboard.stripe.com/"
	if account := identifier(c.Account); account != "" {
		base += account + "/"
	}
	if !c.Livemode {
		base += "test/"
	}
	return base + page
}
