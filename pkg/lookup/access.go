package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tidwall/gjson"
)

// Access tells, for each kind of object that Guichet asks for, why the key cannot read it; empty where it can
// read all.
func (c *Client) Access(ctx context.Context) []error {
	var problems []error
	for _, list := range []struct {
		asks question
		path string
	}{
		{askSessions, "/v1/checkout/sessions"}, {askIntent, "/v1/payment_intents"}, {askCharge, "/v1/charges"}, {askEvents, "/v1/events"},
	} {
		_, err := c.patiently(ctx, func() (gjson.Result, error) { return c.list(ctx, list.asks, "", list.path, url.Values{"limit": {"1"}}) })
		if err != nil {
			problems = append(problems, err)
		}
		if errors.Is(err, ErrUnavailable) || ctx.Err() != nil { // the others would fare no better
			return problems
		}
	}
	return problems
}

// Clock is Stripe's time, to a second, and how far this machine's is ahead of it. It needs no key.
func Clock(ctx context.Context, s Settings, now func() time.Time) (stripes time.Time, ahead time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, s.URL, nil)
	if err != nil {
		return time.Time{}, 0, errors.New("STRIPE_API_URL cannot be asked")
	}
	transport := newTransport()
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: s.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	begun := now()
	response, err := client.Do(request)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("ask Stripe for its time: %s", unreachable(err))
	}
	_ = response.Body.Close()
	ended := now()
	stripes, err = http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return time.Time{}, 0, errors.New("ask Stripe for its time: the answer does not tell it")
	}
	middle := begun.Add(ended.Sub(begun) / 2)
	return stripes, middle.Sub(stripes.Add(time.Second / 2)), nil // the header's seconds are cut
}
