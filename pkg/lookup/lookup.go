// Package lookup asks Stripe what no event told: how a Checkout session ended, which registration a charge or an
// intent belongs to, and which events there were.
//
// It reads only, and never in anybody's transaction: an answer may take as long as STRIPE_API_TIMEOUT. A
// restricted key needs read access to Checkout Sessions, PaymentIntents, Charges and Events.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stripe/stripe-go/v76"
	"golang.org/x/time/rate"
)

// atOnce is how many requests are in hand at most; Stripe limits those at once, too, without saying to how many.
const atOnce = 4

// Options is what a Client is given beside its settings.
type Options struct {
	Registerer prometheus.Registerer // nil keeps the metrics to itself
	LiveOnly   bool                  // sessions of test mode tell no facts, as events of test mode do not
	Now        func() time.Time      // nil is time.Now
	// Pause waits before a list is asked for again; nil is a timer.
	Pause func(context.Context, time.Duration) error
}

// Client asks Stripe. It may be used by many at once.
type Client struct {
	settings  Settings
	liveOnly  bool
	now       func() time.Time
	pause     func(context.Context, time.Duration) error
	backend   stripe.Backend
	transport *http.Transport
	pace      *rate.Limiter
	slots     chan struct{}
	quiet     quiet
	places    *lru.Cache[placeQuestion, placeAnswer]
	metrics   *metrics
}

// New returns a client for settings that are valid and enabled. It asks nothing yet: a wrong key is told by
// the first question.
func New(s Settings, o Options) (*Client, error) {
	if !s.Enabled() {
		return nil, errors.New("STRIPE_API_KEY is not set")
	}
	places, err := lru.New[placeQuestion, placeAnswer](placesKept)
	if err != nil {
		return nil, fmt.Errorf("make the cache of places: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pause == nil {
		o.Pause = sleep
	}
	c := &Client{
		settings: s, liveOnly: o.LiveOnly, now: o.Now, pause: o.Pause,
		transport: newTransport(),
		pace:      rate.NewLimiter(rate.Limit(s.Rate), 1),
		slots:     make(chan struct{}, atOnce),
		places:    places,
		metrics:   newMetrics(o.Registerer),
	}
	c.backend = newBackend(s, c.transport)
	return c, nil
}

// Close drops the idle connections to Stripe.
func (c *Client) Close() { c.transport.CloseIdleConnections() }
