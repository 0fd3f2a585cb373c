package lookup

import (
	"context"
	"net/url"
	"strconv"

	"github.com/tidwall/gjson"
)

// Endpoint is a webhook endpoint: where Stripe sends the events of the key's account and mode.
type Endpoint struct {
	ID      string
	URL     string
	Enabled bool
	Types   []string // "*" alone is all
	Live    bool
	Connect bool // it is sent the connected accounts' events, not the key's own
}

// Sends says whether the endpoint is sent events of a type.
func (e Endpoint) Sends(eventType string) bool {
	for _, t := range e.Types {
		if t == "*" || t == eventType {
			return true
		}
	}
	return false
}

// Endpoints lists the webhook endpoints. A restricted key needs read access to them.
func (c *Client) Endpoints(ctx context.Context) ([]Endpoint, error) {
	var out []Endpoint
	query := url.Values{"limit": {strconv.Itoa(eventsAPage)}}
	for {
		list, err := c.patiently(ctx, func() (gjson.Result, error) {
			return c.list(ctx, askEndpoints, "", "/v1/webhook_endpoints", query)
		})
		if err != nil {
			return nil, err
		}
		for _, o := range list.Get("data").Array() {
			e := Endpoint{
				ID: idOf(o), URL: o.Get("url").Str, Enabled: o.Get("status").Str == "enabled",
				Live: o.Get("livemode").Bool(), Connect: o.Get("application").Str != "",
			}
			for _, t := range o.Get("enabled_events").Array() {
				e.Types = append(e.Types, t.Str)
			}
			out = append(out, e)
		}
		if !list.Get("has_more").Bool() || len(out) == 0 {
			return out, nil
		}
		query.Set("starting_after", out[len(out)-1].ID)
	}
}
