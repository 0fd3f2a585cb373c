package lookup

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

const (
	// eventsAPage is the most that Stripe lists at once. https://docs.stripe.com/api/pagination
	eventsAPage = 100
	// typesAsked is of how many types Stripe lists events at once. https://docs.stripe.com/api/events/list
	typesAsked = 20
)

// EventsListed is for how long Stripe lists an event.
const EventsListed = 30 * 24 * time.Hour

// EventQuery says which events are asked for.
type EventQuery struct {
	Account string    // "" is the key's own
	Types   []string  // none for all
	Since   time.Time // made at or after; Stripe lists nothing older than EventsListed
	// Undelivered leaves out events that every endpoint has taken. Those on their way are not left out, nor are
	// those that another endpoint did not take.
	Undelivered bool
}

// Events calls each with the events that Stripe lists, the oldest first, of each twenty types by themselves; body
// is what Stripe would have sent. It reads the list twice where it has more than a page, for Stripe lists the
// newest first and there may be more than fits into memory; what is made meanwhile may be in it or not. Where
// Stripe gives no answer for now, it waits and asks again, for some minutes. It ends at each's first error.
func (c *Client) Events(ctx context.Context, q EventQuery, each func(body []byte) error) error {
	if len(q.Types) == 0 {
		return c.eventsOf(ctx, q, nil, each)
	}
	for types := range slices.Chunk(q.Types, typesAsked) {
		if err := c.eventsOf(ctx, q, types, each); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) eventsOf(ctx context.Context, q EventQuery, types []string, each func([]byte) error) error {
	p, err := c.eventPage(ctx, q, types, "", "")
	turned := false
	for err == nil && p.more { // towards the oldest
		turned = true
		p, err = c.eventPage(ctx, q, types, "starting_after", p.events[len(p.events)-1].id)
	}
	for {
		if err != nil {
			return err
		}
		for _, e := range slices.Backward(p.events) {
			if err := each(e.body); err != nil {
				return err
			}
		}
		if !turned || len(p.events) == 0 {
			return nil
		}
		p, err = c.eventPage(ctx, q, types, "ending_before", p.events[0].id)
		turned = p.more
	}
}

// eventPage is a page of events, the newest first.
type eventPage struct {
	events []listedEvent
	more   bool // beyond it, in the direction that was asked for
}

type listedEvent struct {
	id   string
	body []byte
}

func (c *Client) eventPage(ctx context.Context, q EventQuery, types []string, direction, from string) (eventPage, error) {
	query := url.Values{"limit": {strconv.Itoa(eventsAPage)}}
	if !q.Since.IsZero() {
		query.Set("created[gte]", strconv.FormatInt(q.Since.Unix(), 10))
	}
	if q.Undelivered {
		query.Set("delivery_success", "false")
	}
	if len(types) > 0 {
		query["types[]"] = types
	}
	if direction != "" {
		query.Set(direction, from)
	}
	list, err := c.patiently(ctx, func() (gjson.Result, error) { return c.list(ctx, askEvents, q.Account, "/v1/events", query) })
	if err != nil {
		return eventPage{}, err
	}
	p := eventPage{more: list.Get("has_more").Bool()}
	for _, e := range list.Get("data").Array() {
		id := idOf(e)
		if id == "" || e.Get("object").Str != "event" {
			return eventPage{}, unusable(askEvents, "it lists what is no event")
		}
		p.events = append(p.events, listedEvent{id, []byte(e.Raw)})
	}
	if p.more && len(p.events) == 0 {
		return eventPage{}, unusable(askEvents, "it has more than an empty page")
	}
	return p, nil
}

// list asks for a page of a list.
func (c *Client) list(ctx context.Context, q question, account, path string, query url.Values) (gjson.Result, error) {
	list, found, err := c.ask(ctx, q, account, path, query)
	switch {
	case err != nil:
		return gjson.Result{}, err
	case !found:
		return gjson.Result{}, unusable(q, "it no longer knows where the list was read to")
	case list.Get("object").Str != "list" || !list.Get("data").IsArray():
		return gjson.Result{}, unusable(q, "it is no list")
	}
	return list, nil
}
