package lookup

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/stripe/stripe-go/v76"
	"github.com/tidwall/gjson"
)

// question is what a request asks for, the closed set of a label.
type question string

const (
	askSession   question = "session"
	askIntent    question = "intent"
	askCharge    question = "charge"
	askSessions  question = "sessions" // of an intent
	askEvents    question = "events"
	askEndpoints question = "endpoints"
)

// words name a question to a person.
func (q question) words() string {
	switch q {
	case askIntent:
		return "a payment intent"
	case askCharge:
		return "a charge"
	case askSessions:
		return "an intent's checkout sessions"
	case askEvents:
		return "events"
	case askEndpoints:
		return "webhook endpoints"
	default:
		return "a checkout session"
	}
}

// answer is decoded by stripe-go, into nothing: its typed objects fail as a whole on a detail that nobody needs,
// such as a metadata value that is no string. What is needed is read from LastResponse.RawJSON.
type answer struct{ stripe.APIResource }

// ask sends one GET for an object, or a list, of the account; "" is the key's own. found is false where Stripe
// says that there is no such object.
func (c *Client) ask(ctx context.Context, q question, account, path string, query url.Values) (object gjson.Result, found bool, err error) {
	leave, err := c.enter(ctx, q)
	if err != nil {
		return gjson.Result{}, false, err
	}
	defer leave()

	var head exchange
	params := &stripe.Params{Context: watched(ctx, &head), Headers: http.Header{
		// stripe-go's own tells the machine's name, kernel and all.
		"X-Stripe-Client-User-Agent": {`{"application":{"name":"Guichet"},"lang":"go","publisher":"stripe"}`},
	}}
	if account != "" {
		params.SetStripeAccount(account)
	}
	start := c.now()
	var a answer
	failed := c.backend.CallRaw(http.MethodGet, path+"?"+query.Encode(), c.settings.Key, nil, params, &a)
	r := c.judge(ctx, q, account, head, failed)
	c.metrics.request(q, r.label, c.now().Sub(start))
	if r.err != nil || r.label == resultNotFound {
		return gjson.Result{}, false, r.err
	}
	return gjson.ParseBytes(a.LastResponse.RawJSON), true, nil
}

// one asks for one object by its id, with a field expanded.
func (c *Client) one(ctx context.Context, q question, account, id, field string) (gjson.Result, bool, error) {
	of := map[question]struct{ path, kind string }{
		askSession: {"/v1/checkout/sessions/", "checkout.session"},
		askIntent:  {"/v1/payment_intents/", "payment_intent"},
		askCharge:  {"/v1/charges/", "charge"},
	}[q]
	object, found, err := c.ask(ctx, q, account, of.path+id, expand(field))
	if err == nil && found && (idOf(object) != id || object.Get("object").Str != of.kind) {
		err = unusable(q, "it is another object than the one asked for")
	}
	return object, found && err == nil, err
}

func unusable(q question, why string) error {
	return &Error{Kind: ErrUnexpected, Question: q.words(), Why: why}
}

// enter waits until the request may be sent. It does not wait for the end of a time that Stripe named: that
// may be long, and whoever asks has better to do.
func (c *Client) enter(ctx context.Context, q question) (leave func(), err error) {
	if err := c.hush(q); err != nil {
		return nil, err
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, givenUp(q, ctx.Err())
	}
	leave = func() { <-c.slots }
	err = c.pace.Wait(ctx)
	if err != nil {
		// Its own error names neither of the context's.
		err = givenUp(q, cmp.Or(ctx.Err(), context.DeadlineExceeded))
	} else {
		err = c.hush(q) // others may have been told meanwhile
	}
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

func (c *Client) hush(q question) error {
	left := c.quiet.left(c.now())
	if left == 0 {
		return nil
	}
	return &Error{Kind: ErrUnavailable, Question: q.words(), Why: "it asked to be left alone for a while", RetryAfter: left}
}

// givenUp is the error where the caller's context ended, or would before the request could be sent.
func givenUp(q question, cause error) error {
	return fmt.Errorf("ask Stripe for %s: %w", q.words(), cause)
}
