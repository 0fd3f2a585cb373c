// Package demo plays the cases of the operators' guide against a running Guichet: as the platform it inserts
// registrations, as Stripe it sends signed events, and then it shows what came of each.
package demo

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver

	"github.com/educareschool/guichet/pkg/simulate"
)

// settleTimeout bounds how long the demo waits for the outcome of its events.
const settleTimeout = 30 * time.Second

// Target is the Guichet to play against.
type Target struct {
	WebhookURL, WebhookSecret, DatabaseURL string
	// Holds are the worker's, whose cleanup runs every few seconds at the longest; nil leaves the cases out
	// that wait for it.
	Holds *Holds
}

// Holds are after how long the worker's cleanup acts.
type Holds struct{ Failed, ExpiryGrace, PersonalData time.Duration }

// Outcome is what came of one case.
type Outcome struct {
	Case, Registration, Status string
	Seat                       bool
	Mails                      string
	Answers                    string // to the events that the case sent
	want                       end    // as the guide promises
}

// end is how a case ends.
type end struct {
	status string
	seat   bool
	blank  bool // name and address are gone
}

// Availability is an event's places after the demo.
type Availability struct {
	Title     string `db:"title"`
	Capacity  int    `db:"capacity"`
	Held      int    `db:"held"`
	Remaining int    `db:"remaining"`
}

// Report is what the demo did.
type Report struct {
	Outcomes []Outcome
	Places   []Availability
	// Registration is one that is still pending, to try more on.
	Registration string
}

// Play plays every case once. Each play makes events and registrations of its own, so it can be repeated on
// the same data.
func Play(ctx context.Context, t Target, progress io.Writer) (Report, error) {
	db, err := sqlx.ConnectContext(ctx, "postgres", t.DatabaseURL)
	if err != nil {
		return Report{}, fmt.Errorf("reach the database: %w", err)
	}
	defer func() { _ = db.Close() }()
	now := time.Now()
	random := rand.New(rand.NewPCG(uint64(now.UnixNano()), 0)) // #nosec G404 G115 -- ids of a demo
	p := &play{
		target: t, db: db, client: &http.Client{Timeout: settleTimeout}, run: strconv.FormatInt(now.UnixMilli(), 36),
		random: random, stripe: simulate.New(random, time.Now),
	}
	if err := p.open(ctx); err != nil {
		return Report{}, err
	}
	report := Report{}
	all := cases()
	if t.Holds != nil {
		all = append(all, lapses(*t.Holds)...)
	}
	for _, c := range all {
		_, _ = fmt.Fprintf(progress, "  ▸ %s\n", c.title)
		outcomes, err := c.play(ctx, p)
		if err != nil {
			return report, fmt.Errorf("%q: %w", c.title, err)
		}
		report.Outcomes = append(report.Outcomes, outcomes...)
	}
	if report.Registration, err = p.register(ctx, p.workshop); err != nil {
		return report, err
	}
	return report, p.settled(ctx, &report)
}

// play is one run of the demo.
type play struct {
	target Target
	db     *sqlx.DB
	client *http.Client
	random *rand.Rand
	stripe *simulate.Stripe
	run    string
	made   int
	// Events: one with places enough, one with a single place, one with two that are fought over.
	workshop, last, rush string
}

// open makes the events that places are sold for, in the weeks to come.
func (p *play) open(ctx context.Context) error {
	p.workshop, p.last, p.rush = "evt-atelier-"+p.run, "evt-derniere-place-"+p.run, "evt-file-attente-"+p.run
	const insert = `
INSERT INTO events (id, title, capacity, starts_at) VALUES
    ($1, 'Atelier Go', 12, date_trunc('day', now()) + interval '14 days 18 hours'),
    ($2, 'Dernière place', 1, date_trunc('day', now()) + interval '21 days 20 hours 30 minutes'),
    ($3, 'File d''attente', 2, date_trunc('day', now()) + interval '28 days 20 hours')`
	if _, err := p.db.ExecContext(ctx, insert, p.workshop, p.last, p.rush); err != nil {
		return fmt.Errorf("insert events: %w", err)
	}
	return nil
}

// register inserts a registration as the platform does; its place is held from then on.
func (p *play) register(ctx context.Context, event string) (string, error) {
	p.made++
	id := fmt.Sprintf("reg-%s-%02d", p.run, p.made)
	locale := "fr"
	if p.made%2 == 0 {
		locale = "en"
	}
	const insert = `INSERT INTO registrations (id, event_id, email, name, locale, amount_due, currency) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	_, err := p.db.ExecContext(ctx, insert, id, event, simulate.BuyerEmail, simulate.BuyerName, locale, simulate.DefaultAmount, simulate.DefaultCurrency)
	if err != nil {
		return "", fmt.Errorf("insert registration: %w", err)
	}
	return id, nil
}

// buy is a registration with a Checkout session of its own.
func (p *play) buy(ctx context.Context, event string) (*simulate.Payment, error) {
	id, err := p.register(ctx, event)
	if err != nil {
		return nil, err
	}
	payment := p.stripe.Payment(id)
	return payment, p.setSession(ctx, payment)
}

// setSession notes the session on its row, as the platform does.
func (p *play) setSession(ctx context.Context, payment *simulate.Payment) error {
	const update = `UPDATE registrations SET checkout_session_id = $2, checkout_created_at = $3, checkout_expires_at = $4 WHERE id = $1`
	if _, err := p.db.ExecContext(ctx, update, payment.Registration, payment.Session, payment.SessionCreated, payment.SessionExpires); err != nil {
		return fmt.Errorf("set the session: %w", err)
	}
	return nil
}

// send delivers events one after the other, each once the one before has had its effect, and returns the
// answers' statuses.
func (p *play) send(ctx context.Context, secret string, events ...simulate.Event) (string, error) {
	var answers []string
	for _, e := range events {
		// An interrupt lets the delivery end, else the ingester would complain of a client that is gone.
		status, _, err := simulate.Post(context.WithoutCancel(ctx), p.client, p.target.WebhookURL, secret, e)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil:
			return "", err
		}
		answers = append(answers, strconv.Itoa(status))
		if status == http.StatusOK {
			if err := p.effect(ctx, e.ID); err != nil {
				return "", err
			}
		}
	}
	return strings.Join(answers, " "), nil
}
