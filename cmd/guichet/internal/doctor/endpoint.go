package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

const (
	endpointCheck = "webhook endpoint"
	inDashboard   = "in Stripe's Dashboard, under Developers, Webhooks, "
)

// endpoint looks at where Stripe sends webhooks to: whether we answer there, and what Stripe has noted of it.
func (d *doctor) endpoint(ctx context.Context) {
	if d.URL == "" {
		d.warn(endpointCheck, "name it with --url or GUICHET_URL, such as https://example.org"+ingest.Path, "which one is ours is not known")
		return
	}
	at, err := address(d.URL)
	if err != nil {
		d.fail(endpointCheck, "correct --url or GUICHET_URL", "%v", err)
		return
	}
	d.answers(ctx, at)
	if d.worker.Lookup.Enabled() {
		d.registered(ctx, at)
	}
}

// address is where webhooks are received, as Stripe may write it.
func address(text string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", errors.New("the address of the endpoint is not one such as https://example.org" + ingest.Path)
	}
	u.Host, u.User = strings.ToLower(u.Host), nil
	if strings.Trim(u.Path, "/") == "" {
		u.Path = ingest.Path
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u.String(), nil
}

// answers posts what is signed and is no event: an ingester that knows the secret says so, and stores nothing.
func (d *doctor) answers(ctx context.Context, at string) {
	const check = "ingester"
	secret, _, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(d.ingest.WebhookSecret, "\n", ",")), ",")
	status, body, err := simulate.Post(ctx, client(), at, strings.TrimSpace(secret), simulate.Event{Type: "nothing", Body: []byte("{}")})
	if err != nil {
		d.fail(check, "check the proxy in front of it, the certificate, and that it runs", "it cannot be reached there from here: %v", err)
		return
	}
	var said struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	_ = json.Unmarshal(body, &said) // what is not the ingester's has no code
	switch code := said.Error.Code; {
	case code == "invalid_event" && secret != "":
		d.ok(check, "it answers, and knows the secret that is set here")
	case code == "invalid_event":
		d.warn(check, "give it a STRIPE_WEBHOOK_SECRET", "it answers, and checks no signatures")
	case code == "signature_missing":
		d.ok(check, "it answers, and wants a signature")
	case code == "signature_wrong":
		d.fail(check, "give both the same STRIPE_WEBHOOK_SECRET", "it has another webhook secret than is set here")
	case strings.HasPrefix(code, "signature_"):
		d.fail(check, "have the clocks set", "it refuses what is signed now: %s", code)
	default:
		d.fail(check, "check the address, and what the proxy does with it", "something else answers there, with HTTP %d", status)
	}
}

// registered looks at what Stripe has noted of the endpoint.
func (d *doctor) registered(ctx context.Context, at string) {
	ask, err := lookup.New(d.worker.Lookup, lookup.Options{})
	if err != nil {
		return // the key's finding has told
	}
	defer ask.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all, err := ask.Endpoints(ctx)
	switch {
	case errors.Is(err, lookup.ErrRefused):
		d.warn(endpointCheck, "let a restricted key read Webhook Endpoints", "what Stripe has noted of it cannot be read: %v", err)
		return
	case err != nil:
		d.fail(endpointCheck, "run it again", "%v", err)
		return
	}
	ours := slices.DeleteFunc(all, func(e lookup.Endpoint) bool {
		theirs, err := address(e.URL)
		return err != nil || theirs != at
	})
	if len(ours) == 0 {
		d.fail(endpointCheck, inDashboard+"add "+at+", with the types that README.md lists", "Stripe knows none of this address in the key's mode")
		return
	}
	for _, e := range ours {
		d.one(e)
	}
	d.several(ours)
}

// one looks at an endpoint of ours.
func (d *doctor) one(e lookup.Endpoint) {
	var missing, informing []string
	for _, t := range stripeevent.Types() {
		switch {
		case e.Sends(t):
		case stripeevent.Informs(t):
			informing = append(informing, t)
		default:
			missing = append(missing, t)
		}
	}
	const types = "endpoint's types"
	switch {
	case len(missing) > 0:
		d.fail(types, inDashboard+"add them to "+e.ID, "it is not sent %s", strings.Join(append(missing, informing...), ", "))
	case len(informing) > 0:
		d.warn(types, inDashboard+"add them to "+e.ID, "it is not sent %s, which change no status", strings.Join(informing, ", "))
	default:
		d.ok(types, "%s is sent all %d that are handled", e.ID, len(stripeevent.Types()))
	}
	switch {
	case !e.Enabled:
		d.fail(endpointCheck, inDashboard+"enable it, then run guichet backfill --all", "%s is disabled: Stripe sends it nothing", e.ID)
	case e.Live != d.worker.Lookup.Live():
		d.fail(endpointCheck, "take a key of the endpoint's mode", "%s is of another mode than the key", e.ID)
	default:
		d.ok(endpointCheck, "%s is enabled, of %s mode", e.ID, map[bool]string{true: "live", false: "test"}[e.Live])
	}
}

// several looks at endpoints of one address. One for the own account's events and one for the connected accounts'
// is as it should be.
func (d *doctor) several(ours []lookup.Endpoint) {
	connect := 0
	for _, e := range ours {
		if e.Connect {
			connect++
		}
	}
	own := len(ours) - connect
	switch {
	case own > 1 || connect > 1:
		d.warn("endpoints of the address", inDashboard+"delete all but one", "there are %d: each event comes as often, signed with another secret", len(ours))
	case len(d.worker.Accounts) > 0 && connect == 0:
		d.warn("endpoints of the address", inDashboard+"add one that listens to events on connected accounts", "none is seen to be sent the events of STRIPE_ACCOUNTS")
	default:
		d.ok("endpoints of the address", "no event comes twice")
	}
}
