package doctor

import (
	"context"
	"time"

	"github.com/educareschool/guichet/pkg/lookup"
)

// stripe looks at the clock and at the key.
func (d *doctor) stripe(ctx context.Context) {
	set := d.worker.Lookup
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, ahead, err := lookup.Clock(bounded, set, d.Now)
	if err != nil {
		d.warn("Stripe's clock", "let this machine reach Stripe's API, if it has a STRIPE_API_KEY", "%v", err)
	} else { // a signature is refused that is further off than the tolerance
		d.clock("Stripe's clock", "Stripe's", ahead, 10*time.Second, max(d.ingest.SignatureTolerance/2, 11*time.Second))
	}
	if !set.Enabled() {
		d.warn("Stripe's API", "set STRIPE_API_KEY: a restricted key that may read Checkout Sessions, PaymentIntents, Charges and Events",
			"there is no key: deadlines go by the clock alone, and what Stripe cannot deliver is not brought in")
		return
	}
	switch {
	case d.production() && !set.Live():
		d.fail("Stripe's API", "take a key of live mode", "the key is of test mode, whose events do not count with GUICHET_ENV=production")
		return
	case !d.production() && set.Live():
		d.warn("Stripe's API", "set GUICHET_ENV=production, or take a key of test mode", "the key is of live mode, and GUICHET_ENV is not production")
	}
	ask, err := lookup.New(set, lookup.Options{})
	if err != nil {
		d.fail("Stripe's API", "check STRIPE_API_KEY", "%v", err)
		return
	}
	defer ask.Close()
	bounded, cancel = context.WithTimeout(ctx, patience)
	defer cancel()
	problems := ask.Access(bounded)
	for _, problem := range problems {
		d.fail("Stripe's API", "check STRIPE_API_KEY, and give a restricted key the permission", "%v", problem)
	}
	if len(problems) == 0 {
		d.ok("Stripe's API", "the key may read all that is asked for")
	}
}
