package lookup

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/stripe/stripe-go/v76"
)

// Results of requests, the closed set of a label.
const (
	resultFound       = "found"
	resultNotFound    = "not_found"
	resultLimited     = "rate_limited"
	resultUnavailable = "unavailable"
	resultRefused     = "refused"
	resultUnexpected  = "unexpected"
	resultGivenUp     = "given_up" // the caller's context ended
)

// verdict is what became of a request; err is nil for an answer, which may be that there is nothing.
type verdict struct {
	label string
	err   error
}

// judge says what became of a request, from the head of its answer and what stripe-go returned. Of Stripe's
// message nothing is passed on: it repeats a part of the key, and what was sent.
func (c *Client) judge(ctx context.Context, q question, account string, head exchange, failed error) verdict {
	if failed == nil && head.status == http.StatusOK {
		return verdict{label: resultFound}
	}
	if head.status == 0 && ctx.Err() != nil {
		return verdict{resultGivenUp, givenUp(q, ctx.Err())}
	}
	e := &Error{Question: q.words(), Status: head.status, RequestID: onlyWord(head.header.Get("Request-Id"), "")}
	as := func(label string, kind error, why string) verdict {
		e.Kind, e.Why = kind, why
		return verdict{label, e}
	}
	var told stripe.Error
	if s := (*stripe.Error)(nil); errors.As(failed, &s) {
		told = *s
	}
	switch status := head.status; {
	case status == 0:
		return as(resultUnavailable, ErrUnavailable, unreachable(failed))
	case status == http.StatusOK && ctx.Err() != nil:
		return verdict{resultGivenUp, givenUp(q, ctx.Err())}
	case status == http.StatusOK:
		return as(resultUnavailable, ErrUnavailable, "the answer broke off, or is not Stripe's")
	case told.Code == stripe.ErrorCodeResourceMissing && (status == http.StatusNotFound || status == http.StatusBadRequest):
		// A 400 is about an object that a parameter names.
		return verdict{label: resultNotFound}
	case status == http.StatusUnauthorized:
		return as(resultRefused, ErrRefused, "STRIPE_API_KEY is wrong, revoked or expired")
	case status == http.StatusForbidden:
		return as(resultRefused, ErrRefused, forbidden(told, account))
	case status == http.StatusTooManyRequests:
		e.RetryAfter = c.hold(head.header, pauseAfterLimit)
		return as(resultLimited, ErrUnavailable, "it limits the rate of requests")
	case temporary(status):
		e.RetryAfter = c.hold(head.header, 0)
		return as(resultUnavailable, ErrUnavailable, "it has trouble of its own")
	case told.Code == "" && told.Type == "":
		return as(resultUnexpected, ErrUnexpected, "it does not look like Stripe's; is STRIPE_API_URL right?")
	}
	return as(resultUnexpected, ErrUnexpected, "the request was not understood: "+onlyWord(string(told.Code), "no code"))
}

// hold keeps quiet for as long as the answer says, else for so long.
func (c *Client) hold(h http.Header, otherwise time.Duration) time.Duration {
	now := c.now()
	pause := retryAfter(h, now)
	if pause == 0 {
		pause = otherwise
	}
	c.quiet.extend(now, pause)
	return pause
}

// temporary says whether the same request may succeed later. https://docs.stripe.com/api/errors
func temporary(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusFailedDependency:
		return true
	}
	return status >= http.StatusInternalServerError
}

func forbidden(told stripe.Error, account string) string {
	// Stripe names the permission that is missing in its message alone.
	permission := regexp.MustCompile(`\brak_[a-z_]+\b`).FindString(told.Msg)
	switch {
	case permission != "":
		return "STRIPE_API_KEY lacks the permission " + permission
	case account != "":
		return "STRIPE_API_KEY has no access to the connected account " + onlyWord(account, "")
	}
	return "STRIPE_API_KEY may not read this: it lacks a permission, or this machine's address is not one of its own"
}

// unreachable says in words why no answer came. What the network says is passed on only where it cannot hold
// anything that was sent or received.
func unreachable(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns):
		return "the host of STRIPE_API_URL cannot be found"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer within STRIPE_API_TIMEOUT"
	case errors.As(err, &certificate):
		return "its certificate is not one that this machine trusts"
	case errors.As(err, &op) && op.Op == "dial":
		return "no connection: " + op.Error()
	}
	return "the connection broke"
}

// onlyWord lets through what can be a code or an id, and nothing else.
func onlyWord(s, otherwise string) string {
	if !isWord(s) {
		return otherwise
	}
	return s
}
