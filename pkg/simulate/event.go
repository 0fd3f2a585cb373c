package simulate

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/stripe/stripe-go/v76"
)

// Event is one event as Stripe sends it. Sent twice, it is a redelivery.
type Event struct {
	ID, Type string
	Created  time.Time // whole seconds
	Body     []byte
}

// Option changes one event.
type Option func(*choice)

type choice struct {
	id, account, version, charge string
	created                      time.Time
	live, bare, withoutIntent    bool
}

// WithID gives the event an id, instead of a new one.
func WithID(id string) Option { return func(c *choice) { c.id = id } }

// At dates the event, to the second, instead of now.
func At(created time.Time) Option { return func(c *choice) { c.created = created } }

// Live makes it an event of live mode.
func Live() Option { return func(c *choice) { c.live = true } }

// OnAccount makes it an event of a connected account.
func OnAccount(account string) Option { return func(c *choice) { c.account = account } }

// WithAPIVersion writes it as of another API version; its shape stays.
func WithAPIVersion(version string) Option { return func(c *choice) { c.version = version } }

// WithoutMetadata leaves the registration out.
func WithoutMetadata() Option { return func(c *choice) { c.bare = true } }

// WithoutIntent makes payment_intent null, where an event's object refers to one.
func WithoutIntent() Option { return func(c *choice) { c.withoutIntent = true } }

func withoutIntent(options []Option) []Option { return append(slices.Clip(options), WithoutIntent()) }

// WithCharge names the charge of a failure, which otherwise is a new one each time.
func WithCharge(charge string) Option { return func(c *choice) { c.charge = charge } }

func (s *Stripe) choose(options []Option) choice {
	c := choice{version: stripe.APIVersion, created: s.now()}
	for _, o := range options {
		o(&c)
	}
	c.created = c.created.Truncate(time.Second).UTC()
	if c.id == "" {
		c.id = s.id(eventPrefix, c.created)
	}
	return c
}

// object is one of Stripe's, as JSON.
type object = map[string]any

type envelope struct {
	ID              string  `json:"id"`
	Object          string  `json:"object"`
	Account         string  `json:"account,omitempty"`
	APIVersion      string  `json:"api_version"`
	Created         int64   `json:"created"`
	Data            data    `json:"data"`
	Livemode        bool    `json:"livemode"`
	PendingWebhooks int     `json:"pending_webhooks"`
	Request         request `json:"request"`
	Type            string  `json:"type"`
}

type data struct {
	Object             object `json:"object"`
	PreviousAttributes object `json:"previous_attributes,omitempty"`
}

type request struct {
	ID             *string `json:"id"`
	IdempotencyKey *string `json:"idempotency_key"`
}

// event wraps an object; what it changes of the object is said in previous, if at all.
func (c choice) event(eventType string, of, previous object) Event {
	of["livemode"] = c.live
	return c.encode(eventType, envelope{
		ID: c.id, Object: "event", Account: c.account, APIVersion: c.version, Created: c.created.Unix(),
		Data: data{of, previous}, Livemode: c.live, PendingWebhooks: 1, Type: eventType,
	})
}

// encode indents, as Stripe does.
func (c choice) encode(eventType string, body any) Event {
	encoded, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("simulate: %s is not JSON: %v", eventType, err)) // a mistake in this package
	}
	return Event{ID: c.id, Type: eventType, Created: c.created, Body: encoded}
}
