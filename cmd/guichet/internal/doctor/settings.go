package doctor

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/educareschool/guichet/pkg/settings"
)

// settings loads what the services would load, and names what is wrong with it. A wrong setting has its default
// in what follows.
func (d *doctor) settings() {
	named := map[string]bool{}
	for _, into := range []any{&d.ingest, &d.worker, &d.stream} {
		err := settings.Load(into, d.Settings)
		if err == nil {
			continue
		}
		for _, problem := range strings.Split(err.Error(), "\n") { // the services share some
			if !named[problem] {
				named[problem] = true
				d.fail("settings", "correct it; --help of the services lists all settings", "%s", problem)
			}
		}
	}
	if len(named) == 0 {
		d.ok("settings", "of ingester, worker and streams can be read, GUICHET_ENV is %s", d.ingest.Logging.Environment)
	}
}

// secrets looks at the form of the webhook's secrets, and never repeats any of them.
func (d *doctor) secrets() {
	const check = "webhook secret"
	secrets := strings.FieldsFunc(d.ingest.WebhookSecret, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	form := regexp.MustCompile(`^whsec_[A-Za-z0-9+/=_-]{16,}$`)
	odd := slices.ContainsFunc(secrets, func(s string) bool { return !form.MatchString(s) })
	slices.Sort(secrets)
	const reveal = "copy it again from Stripe's Dashboard: Developers, Webhooks, the endpoint, Signing secret"
	switch {
	case len(secrets) == 0:
		d.warn(check, "set STRIPE_WEBHOOK_SECRET: without it anyone can post test events, and live ones are refused", "there is none here")
	case odd:
		d.warn(check, reveal, "one of %d does not look like whsec_ and letters", len(secrets))
	case len(slices.Compact(slices.Clone(secrets))) < len(secrets):
		d.warn(check, "give each once", "one is there twice")
	default:
		d.ok(check, "%d of the right form", len(secrets))
	}
}

// production says whether test mode does not count here.
func (d *doctor) production() bool { return d.ingest.Logging.Environment == settings.Production }
