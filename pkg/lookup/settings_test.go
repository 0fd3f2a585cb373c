package lookup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/settings"
)

func TestSettingsAreReadFromTheEnvironment(t *testing.T) {
	t.Parallel()
	var s lookup.Settings
	if err := settings.Load(&s, settings.Source{}); err != nil {
		t.Fatal(err)
	}
	if want := (lookup.Settings{URL: "https://api.stripe.com", Timeout: 10 * time.Second, Rate: 20}); s != want {
		t.Errorf("without any: %+v, want %+v", s, want)
	}
	if s.Enabled() || s.Live() {
		t.Error("without a key there is nothing to ask")
	}
	if _, err := lookup.New(s, lookup.Options{}); err == nil {
		t.Error("a client without a key was made")
	}
	err := settings.Load(&s, settings.Source{Env: map[string]string{
		"STRIPE_API_KEY": "rk_live_abc", "STRIPE_API_URL": "https://stripe.example.org:8443/", "STRIPE_API_TIMEOUT": "3s", "STRIPE_API_RATE": "5",
	}})
	if want := (lookup.Settings{Key: "rk_live_abc", URL: "https://stripe.example.org:8443/", Timeout: 3 * time.Second, Rate: 5}); err != nil || s != want {
		t.Errorf("%+v, %v; want %+v", s, err, want)
	}
	if !s.Enabled() || !s.Live() {
		t.Error("a key of live mode is not known as one")
	}
}

func TestSettingsThatMakeNoSenseAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*lookup.Settings)
		says   string
	}{
		"none":                 {func(*lookup.Settings) {}, ""},
		"no key":               {func(s *lookup.Settings) { s.Key = "" }, ""},
		"restricted key":       {func(s *lookup.Settings) { s.Key = "rk_test_abc" }, ""},
		"another key":          {func(s *lookup.Settings) { s.Key = "sk_org_live_abc" }, ""},
		"webhook secret":       {func(s *lookup.Settings) { s.Key = "whsec_abcdef" }, "STRIPE_API_KEY is a webhook's secret (whsec_…): that one belongs in STRIPE_WEBHOOK_SECRET"},
		"publishable key":      {func(s *lookup.Settings) { s.Key = "pk_live_abcdef" }, "STRIPE_API_KEY is a publishable key"},
		"password":             {func(s *lookup.Settings) { s.Key = "abcdef" }, "STRIPE_API_KEY is not a key"},
		"prefix alone":         {func(s *lookup.Settings) { s.Key = "sk_" }, ""},
		"two keys":             {func(s *lookup.Settings) { s.Key = "sk_live_abcdef sk_test_abcdef" }, "STRIPE_API_KEY is not a key"},
		"header injection":     {func(s *lookup.Settings) { s.Key = "sk_live_abcdef\r\nHost: x" }, "STRIPE_API_KEY is not a key"},
		"address of nothing":   {func(s *lookup.Settings) { s.URL = "" }, "STRIPE_API_URL is not a web address"},
		"host alone":           {func(s *lookup.Settings) { s.URL = "api.stripe.com" }, "STRIPE_API_URL is not a web address"},
		"another scheme":       {func(s *lookup.Settings) { s.URL = "ftp://api.stripe.com" }, "STRIPE_API_URL is not a web address"},
		"no URL":               {func(s *lookup.Settings) { s.URL = "http://[abcdef" }, "STRIPE_API_URL is not a web address"},
		"user":                 {func(s *lookup.Settings) { s.URL = "https://u:abcdef@api.stripe.com" }, "neither a user nor a query"},
		"query":                {func(s *lookup.Settings) { s.URL = "https://api.stripe.com?x=abcdef" }, "neither a user nor a query"},
		"test key in clear":    {func(s *lookup.Settings) { s.URL = "http://stripe-mock:12111" }, ""},
		"live key in clear":    {func(s *lookup.Settings) { s.Key, s.URL = "sk_live_abcdef", "http://api.stripe.com" }, "must be https with a key of live mode"},
		"no time":              {func(s *lookup.Settings) { s.Timeout = 0 }, "STRIPE_API_TIMEOUT must be positive"},
		"no rate":              {func(s *lookup.Settings) { s.Rate = 0 }, "STRIPE_API_RATE must be between 1 and 100"},
		"more than Stripe has": {func(s *lookup.Settings) { s.Rate = 101 }, "STRIPE_API_RATE must be between 1 and 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := patient("https://api.stripe.com")
			c.change(&s)
			err := s.Validate()
			switch {
			case c.says == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("got %v, want %q", err, c.says)
			case err != nil && strings.Contains(err.Error(), "abcdef"):
				t.Errorf("%v repeats what was given", err)
			}
		})
	}
}
