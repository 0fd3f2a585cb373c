package lookup

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// maxRate is what Stripe takes of an account in live mode, all its programs together; in test mode, and for one
// kind of object, it takes 25. https://docs.stripe.com/rate-limits
const maxRate = 100

// Settings is how to reach Stripe's API.
type Settings struct {
	Key     string        `env:"STRIPE_API_KEY" secret:"true" help:"key to ask Stripe with: sk_… or, better, rk_… that may read Checkout Sessions, PaymentIntents, Charges and Events; without it nothing is asked"`
	URL     string        `env:"STRIPE_API_URL" envDefault:"https://api.stripe.com" help:"address of Stripe's API; for tests"`
	Timeout time.Duration `env:"STRIPE_API_TIMEOUT" envDefault:"10s" help:"longest wait for an answer of Stripe's"`
	Rate    int           `env:"STRIPE_API_RATE" envDefault:"20" help:"most requests to Stripe a second, of each worker; Stripe takes 25 in test mode, 100 in live mode"`
}

// Enabled says whether there is a key to ask with.
func (s Settings) Enabled() bool { return s.Key != "" }

// Live says whether the key is of live mode.
func (s Settings) Live() bool { return mode(s.Key) == liveMode }

// Validate names everything that is wrong, and never repeats the key.
func (s Settings) Validate() error {
	problems := []error{checkKey(s.Key), s.checkURL()}
	if s.Timeout <= 0 {
		problems = append(problems, errors.New("STRIPE_API_TIMEOUT must be positive"))
	}
	if s.Rate < 1 || s.Rate > maxRate {
		problems = append(problems, fmt.Errorf("STRIPE_API_RATE must be between 1 and %d", maxRate))
	}
	return errors.Join(problems...)
}

func checkKey(key string) error {
	secret := strings.HasPrefix(key, "sk_") || strings.HasPrefix(key, "rk_")
	switch {
	case key == "" || secret && isWord(key):
		return nil
	case strings.HasPrefix(key, "whsec_"):
		return errors.New("STRIPE_API_KEY is a webhook's secret (whsec_…): that one belongs in STRIPE_WEBHOOK_SECRET")
	case strings.HasPrefix(key, "pk_"):
		return errors.New("STRIPE_API_KEY is a publishable key (pk_…): it cannot read anything; take a secret or restricted one")
	}
	return errors.New("STRIPE_API_KEY is not a key such as sk_live_… or rk_live_…")
}

func (s Settings) checkURL() error {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return errors.New("STRIPE_API_URL is not a web address such as https://api.stripe.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("STRIPE_API_URL must be an address alone, with neither a user nor a query")
	case u.Scheme == "http" && s.Live():
		return errors.New("STRIPE_API_URL must be https with a key of live mode: it would go over the network in the clear")
	}
	return nil
}

// Stripe's two modes, as keys and the ids of sessions name them.
const (
	liveMode = "live"
	testMode = "test"
)

// mode reads the mode of a key or of a session's id, such as rk_live_… or cs_test_…; empty where it has none.
func mode(id string) string {
	parts := strings.SplitN(id, "_", 3)
	if len(parts) == 3 && (parts[1] == liveMode || parts[1] == testMode) {
		return parts[1]
	}
	return ""
}
