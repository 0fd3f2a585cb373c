package main

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/educareschool/guichet/cmd/guichet/internal/dev"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/simulate"
)

const (
	webhookPath    = "/stripe/webhooks"
	triggerTimeout = 30 * time.Second // as long as Stripe waits, or longer
)

type triggerCommand struct {
	Type string `arg:"" optional:"" help:"Type of the event, such as checkout.session.completed; --list shows all."`
	List bool   `help:"List the types that can be sent, and send nothing."`

	Registration string `group:"The payment:" help:"Registration that the payment is for (metadata.registrationId); none is sent without it." placeholder:"ID"`
	Session      string `group:"The payment:" help:"Checkout session; else it follows from the registration." placeholder:"cs_…"`
	Intent       string `group:"The payment:" help:"Payment intent; else it follows from the session." placeholder:"pi_…"`
	Charge       string `group:"The payment:" help:"Charge; else it follows from the intent, and is a new one for each failure." placeholder:"ch_…"`
	Dispute      string `group:"The payment:" help:"Dispute; else it follows from the charge." placeholder:"du_…"`
	Refund       string `group:"The payment:" help:"Refund; else it follows from the charge." placeholder:"re_…"`
	Amount       int64  `group:"The payment:" default:"4500" help:"Amount in minor units (default ${default})." placeholder:"N"`
	Currency     string `group:"The payment:" default:"eur" help:"Currency (default ${default})." placeholder:"eur"`

	Mode          string `group:"Variants:" help:"Of a completed session: payment, setup or subscription."`
	PaymentStatus string `group:"Variants:" help:"Of a completed session: paid, unpaid or no_payment_required." placeholder:"STATUS"`
	Abandoned     bool   `group:"Variants:" help:"An expired session that nobody tried to pay: it names no intent."`
	Decline       string `group:"Variants:" help:"Of a failure: ${declines}." placeholder:"CODE"`
	Reason        string `group:"Variants:" help:"Of a cancellation or a failed refund."`
	DisputeStatus string `group:"Variants:" help:"Of a dispute, such as won, lost or warning_closed." placeholder:"STATUS"`
	RefundStatus  string `group:"Variants:" help:"Of charge.refund.updated: pending, succeeded, failed or canceled." placeholder:"STATUS"`
	RefundTotal   int64  `group:"Variants:" help:"Minor units refunded in all; else the whole amount." placeholder:"N"`

	ID      string        `group:"The event:" help:"Id of the event: send one twice to try a redelivery; else a new one." placeholder:"evt_…"`
	Ago     time.Duration `group:"The event:" help:"How long ago it happened, such as 2h: events may arrive late." placeholder:"DURATION"`
	Live    bool          `group:"The event:" help:"An event of live mode."`
	Account string        `group:"The event:" help:"Connected account that it is about." placeholder:"acct_…"`

	URL    string `group:"Delivery:" help:"Where to send it; else GUICHET_URL, from the environment or 'guichet dev'." placeholder:"URL"`
	Secret string `group:"Delivery:" help:"Signing secret; else STRIPE_WEBHOOK_SECRET, from the environment or 'guichet dev'." placeholder:"whsec_…"`
	Print  bool   `group:"Delivery:" help:"Print the event's body, and send nothing."`
}

// triggerSettings are its environment variables.
type triggerSettings struct {
	URL    string `env:"GUICHET_URL" help:"where the ingester is, such as http://127.0.0.1:8080"`
	Secret string `env:"STRIPE_WEBHOOK_SECRET" secret:"true" help:"signing secret; of several the first is used"`
}

// Help shows examples and the settings.
func (triggerCommand) Help() string {
	return `Every event has a new id. Events for one registration concern one payment, whenever they are sent:

    guichet trigger payment_intent.payment_failed --registration reg-1
    guichet trigger checkout.session.completed --registration reg-1
    guichet trigger charge.dispute.closed --registration reg-1 --dispute-status won

Exit code: 0 accepted, 1 refused or unreachable, 2 a mistake in the arguments.

` + settingsTable(&triggerSettings{})
}

// Run sends the event.
func (c triggerCommand) Run(ctx context.Context, g globals, s surroundings) error {
	if c.List {
		return listTypes(g, s)
	}
	payment, event, err := c.event()
	if err != nil {
		return usageError{err}
	}
	if c.Print {
		_, err := fmt.Fprintf(s.Stdout, "%s\n", event.Body)
		return err
	}
	target, secret, err := c.target(g, s.Settings)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, triggerTimeout)
	defer cancel()
	begun := time.Now()
	status, answer, err := simulate.Post(ctx, oneShot(), target.String(), secret, event)
	if err != nil {
		return fmt.Errorf("%w; is the ingester running there?", err)
	}
	d := delivery{
		Event: event.ID, Type: event.Type, Created: event.Created, Object: objectID(event.Body),
		Registration: c.Registration, Session: payment.Session, Intent: payment.Intent,
		URL: target.Redacted(), Signed: secret != "", Status: status, Answer: asJSON(answer), Milliseconds: time.Since(begun).Milliseconds(),
	}
	if err := g.print(s.Stdout, d, d.rows()); err != nil {
		return err
	}
	if !d.accepted() {
		return fmt.Errorf("the event was not accepted: %d, %s", status, d.said())
	}
	return nil
}

// event makes the event that the flags describe, and the payment that it is about.
func (c triggerCommand) event() (*simulate.Payment, simulate.Event, error) {
	if c.Type == "" {
		return nil, simulate.Event{}, errors.New("the type of the event is missing; --list shows all")
	}
	if c.Amount < 0 || c.Ago < 0 {
		return nil, simulate.Event{}, errors.New("--amount and --ago must not be negative")
	}
	var seed [32]byte
	_, _ = crand.Read(seed[:])                // never fails
	random := rand.New(rand.NewChaCha8(seed)) // #nosec G404 -- ids, not secrets
	stripe := simulate.New(random, func() time.Time { return time.Now().Add(-c.Ago) })
	given := simulate.IDs{Session: c.Session, Intent: c.Intent, Charge: c.Charge, Dispute: c.Dispute, Refund: c.Refund}
	payment := stripe.Payment("")
	if c.Registration != "" || given != (simulate.IDs{}) {
		payment = stripe.PaymentOf(c.Registration, given)
	}
	payment.Amount, payment.Currency = c.Amount, strings.ToLower(c.Currency)
	event, err := payment.Build(c.Type, simulate.Choices{
		Mode: c.Mode, PaymentStatus: c.PaymentStatus, Decline: c.Decline, Reason: c.Reason, DisputeStatus: c.DisputeStatus,
		RefundStatus: c.RefundStatus, RefundTotal: c.RefundTotal, Abandoned: c.Abandoned,
	}, c.options()...)
	return payment, event, err
}

func (c triggerCommand) options() []simulate.Option {
	var options []simulate.Option
	if c.ID != "" {
		options = append(options, simulate.WithID(c.ID))
	}
	if c.Charge != "" {
		options = append(options, simulate.WithCharge(c.Charge))
	}
	if c.Live {
		options = append(options, simulate.Live())
	}
	if c.Account != "" {
		options = append(options, simulate.OnAccount(c.Account))
	}
	return options
}

// target returns where to send the event, and the secret to sign it with: the flags', else the settings'.
func (c triggerCommand) target(g globals, process settings.Source) (*url.URL, string, error) {
	source, err := g.settingsWithDev(process)
	if err != nil {
		return nil, "", err
	}
	var set triggerSettings
	if err := settings.Load(&set, source); err != nil {
		return nil, "", err
	}
	if c.URL != "" {
		set.URL = c.URL
	}
	if c.Secret != "" {
		set.Secret = c.Secret
	}
	endpoint, err := endpoint(set.URL)
	return endpoint, dev.FirstSecret(set.Secret), err
}

// endpoint completes the address of an ingester with the webhooks' path.
func endpoint(address string) (*url.URL, error) {
	if address == "" {
		return nil, errors.New("where to send it is not known: start guichet dev here, or set GUICHET_URL, or give --url")
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is no http:// or https:// address", address)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = webhookPath
	}
	return u, nil
}

// oneShot returns a client that leaves no connection open behind it.
func oneShot() *http.Client {
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
}

// asJSON keeps an answer that is JSON as it is, and makes a string of any other.
func asJSON(answer []byte) json.RawMessage {
	if json.Valid(answer) {
		return answer
	}
	quoted, _ := json.Marshal(strings.TrimSpace(string(answer))) // a string always is
	return quoted
}

// objectID is the id of what an event is about; empty for a v2 event.
func objectID(body []byte) string {
	var event struct {
		Data struct {
			Object struct {
				ID string `json:"id"`
			} `json:"object"`
		} `json:"data"`
	}
	_ = json.Unmarshal(body, &event) // made by this program
	return event.Data.Object.ID
}
