package acceptance

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stream/streamtest"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

const (
	deliveries = 5000
	duplicates = deliveries / 10
	senders    = 16
	secret     = "whsec_acceptance_0123456789"
	mailOwner  = "@participants.example.org"
)

// cluster is two ingesters and two workers, one of each logging JSON and one for people.
type cluster struct {
	t                  *testing.T
	env                []string // of the services
	db                 *sqlx.DB
	js                 jetstream.JetStream
	mailbox            string
	ingesters, workers []*process
	urls               []string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	natsURL, databaseURL := natsServer(t), pgtest.Database(t)
	env := []string{"NATS_URL=" + natsURL, "DATABASE_URL=" + databaseURL, "STRIPE_WEBHOOK_SECRET=" + secret, "ADMIN_ADDR=127.0.0.1:0"}
	setup(t, env...)
	c := &cluster{t: t, env: env, mailbox: filepath.Join(t.TempDir(), "mailbox")}
	for _, format := range []string{"json", "console"} {
		logs := append(slices.Clone(env), "LOG_FORMAT="+format)
		in := start(t, "ingester", append(logs, "LISTEN_ADDR=127.0.0.1:0"))
		c.urls = append(c.urls, "http://"+in.match(`"listen": ?"([^"]+)"`)+"/stripe/webhooks")
		ready(t, in.match(`"admin": ?"([^"]+)"`))
		c.ingesters = append(c.ingesters, in)
		c.workers = append(c.workers, start(t, "worker", append(logs, "MAILBOX_DIR="+c.mailbox, "ADMIN_EMAIL=admin@example.org",
			"CLEANUP_INTERVAL=500ms", "SWEEP_INTERVAL=200ms", "ACTION_REQUIRED_DELAY=0s")))
	}
	for _, w := range c.workers {
		ready(t, w.match(`"admin": ?"([^"]+)"`))
	}
	c.db = sqlx.MustConnect("postgres", databaseURL)
	t.Cleanup(func() { _ = c.db.Close() })
	conn, err := nats.Connect(natsURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if c.js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	return c
}

// seeded is a random source; a test that fails has logged its seed.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano()) // #nosec G115 -- a seed
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1)) // #nosec G404 -- a test
}

func TestFiveThousandEventsInAnyOrderSettleAsTheFactsSay(t *testing.T) {
	t.Parallel()
	random := seeded(t)
	c := newCluster(t)
	stripe := simulate.New(random, time.Now)
	purchases, events := c.history(random, stripe)
	c.insert(purchases, false)
	c.deliver(random, stripe, events)
	c.insert(purchases, true)
	c.settled(len(events))
	for _, p := range purchases {
		c.check(p)
	}
	c.checkSeats()
	c.checkMails()
	c.checkLogs()
	for _, p := range append(slices.Clone(c.ingesters), c.workers...) {
		p.stop()
	}
}

// history makes as many purchases as give the events wanted, and events that are nobody's.
func (c *cluster) history(random *rand.Rand, stripe *simulate.Stripe) ([]*purchase, []simulate.Event) {
	var purchases []*purchase
	var events []simulate.Event
	for _, p := range write(random, stripe, deliveries, time.Now()) {
		if len(events)+len(p.events) > deliveries-duplicates-20 {
			break
		}
		purchases = append(purchases, p)
		events = append(events, p.events...)
	}
	for len(events) < deliveries-duplicates {
		switch random.IntN(3) {
		case 0:
			events = append(events, stripe.Thin())
		case 1:
			events = append(events, stripe.Unrelated("customer.created"))
		default:
			events = append(events, stripe.Payment("").Completed()) // as of Stripe's dashboard
		}
	}
	return purchases, events
}

// insert writes rows as the platform does: those that come early, or those that come late.
func (c *cluster) insert(purchases []*purchase, late bool) {
	c.t.Helper()
	if !late {
		for i := range 10 {
			c.exec(`INSERT INTO events (id, title, capacity) VALUES ($1, $1, $2)`, fmt.Sprintf("event-%d", i), deliveries)
		}
	}
	for _, p := range purchases {
		if p.late != late {
			continue
		}
		c.exec(`INSERT INTO registrations (id, event_id, email, name, amount_due, currency) VALUES ($1, $2, $1 || $3, 'Grace Hopper', $4, 'eur')`,
			p.id, p.event, mailOwner, simulate.DefaultAmount)
		if p.withSession {
			pay := p.payments[0]
			c.exec(`UPDATE registrations SET checkout_session_id = $2, checkout_created_at = $3, checkout_expires_at = $4 WHERE id = $1`,
				p.id, pay.Session, pay.SessionCreated, pay.SessionExpires)
		}
	}
}

func (c *cluster) exec(query string, args ...any) {
	c.t.Helper()
	if _, err := c.db.Exec(query, args...); err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
}

// deliver posts the events in random order, some twice, and some forged.
func (c *cluster) deliver(random *rand.Rand, stripe *simulate.Stripe, events []simulate.Event) {
	c.t.Helper()
	load := slices.Clone(events)
	for range duplicates {
		load = append(load, events[random.IntN(len(events))])
	}
	random.Shuffle(len(load), func(i, j int) { load[i], load[j] = load[j], load[i] })
	transport := &http.Transport{MaxIdleConnsPerHost: senders}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	group, ctx := errgroup.WithContext(c.t.Context())
	group.SetLimit(senders)
	for i, e := range load {
		group.Go(func() error {
			status, answer, err := simulate.Post(ctx, client, c.urls[i%len(c.urls)], secret, e)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("%s was answered %d %s", e.Type, status, answer)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		c.t.Fatal(err)
	}
	for _, url := range c.urls {
		if status, _, err := simulate.Post(c.t.Context(), client, url, "whsec_forged", stripe.Payment("reg-00000").Completed()); err != nil || status != http.StatusBadRequest {
			c.t.Errorf("a forged event was answered %d, %v", status, err)
		}
	}
}

// settled waits until nothing is left to do, and wants each event once in the stream and no dead letter.
func (c *cluster) settled(events int) {
	c.t.Helper()
	const open = `
SELECT (SELECT count(*) FROM registrations WHERE due_at IS NOT NULL) +
       (SELECT count(*) FROM notifications WHERE status = 'pending') +
       (SELECT count(*) FROM stripe_events WHERE outcome = 'waiting' AND registration_ref IS NOT NULL)`
	eventually(c.t, "everything is settled", func() error {
		if err := streamtest.Drained(c.t.Context(), c.js); err != nil {
			return err
		}
		var n int
		if err := c.db.Get(&n, open); err != nil || n > 0 {
			return fmt.Errorf("%d things left to do: %w", n, err)
		}
		return nil
	})
	for name, want := range map[string]uint64{stream.Events: uint64(events), stream.DeadLetters: 0} { // #nosec G115 -- a count
		s, err := c.js.Stream(c.t.Context(), name)
		if err != nil {
			c.t.Fatal(err)
		}
		if got := s.CachedInfo().State.Msgs; got != want {
			c.t.Errorf("%s holds %d messages, want %d", name, got, want)
		}
	}
	var stored int
	if err := c.db.Get(&stored, `SELECT count(*) FROM stripe_events WHERE source = 'stripe'`); err != nil || stored != events {
		c.t.Errorf("the inbox holds %d events, want %d (%v)", stored, events, err)
	}
}

// check holds a registration against the pure core, given the events as they were sent.
func (c *cluster) check(p *purchase) {
	c.t.Helper()
	var row struct {
		Status  string         `db:"status"`
		Cause   string         `db:"cause"`
		Seat    bool           `db:"seat_held"`
		Removed bool           `db:"removed"`
		Flags   pq.StringArray `db:"attention"`
		Created time.Time      `db:"created_at"`
		Slots   pq.StringArray `db:"slots"`
	}
	err := c.db.Get(&row, `
SELECT status, cause, seat_held, removed_at IS NOT NULL AS removed, attention, created_at,
       ARRAY(SELECT slot FROM notifications n WHERE n.registration_id = r.id) AS slots
FROM registrations r WHERE id = $1`, p.id)
	if err != nil {
		c.t.Fatal(err)
	}
	amount := int64(simulate.DefaultAmount)
	r := registration.Registration{ID: p.id, CreatedAt: row.Created, AmountDue: &amount, Currency: "eur"}
	if p.withSession {
		pay := p.payments[0]
		r.Session, r.SessionCreatedAt, r.SessionExpiresAt = pay.Session, pay.SessionCreated, pay.SessionExpires
	}
	var facts []registration.Fact
	for _, e := range p.events {
		decoded, err := stripeevent.Decode(e.Body, stripeevent.Filter{})
		if err != nil {
			c.t.Fatal(err)
		}
		if decoded.Fact != nil {
			facts = append(facts, *decoded.Fact)
		}
	}
	day := 24 * time.Hour
	want := registration.Settle(r, facts, registration.Policy{FailedHold: day, PendingHold: day, ExpiryGrace: time.Hour})
	if row.Status != string(want.Status) || row.Cause != string(want.Cause) || row.Seat != want.SeatWish || row.Removed != want.Removed ||
		len(row.Flags) != len(want.Attention) {
		c.t.Errorf("%s is %+v, its facts say %+v", p.id, row, want)
	}
	for _, m := range want.Mails {
		if !slices.ContainsFunc(append(m.Same, m.Slot), func(slot string) bool { return slices.Contains(row.Slots, slot) }) {
			c.t.Errorf("%s: no mail in slot %s, there are %v", p.id, m.Slot, row.Slots)
		}
	}
}

func (c *cluster) checkSeats() {
	c.t.Helper()
	var wrong int
	const query = `
SELECT count(*) FROM events e
WHERE seats_held <> (SELECT count(*) FROM registrations r WHERE r.event_id = e.id AND seat_held)`
	if err := c.db.Get(&wrong, query); err != nil || wrong > 0 {
		c.t.Errorf("%d events count their places wrong (%v)", wrong, err)
	}
}

// checkMails wants one file for each mail sent, and no mail given up.
func (c *cluster) checkMails() {
	c.t.Helper()
	var sent, lost int
	if err := c.db.Get(&sent, `SELECT count(*) FROM notifications WHERE status = 'sent'`); err != nil {
		c.t.Fatal(err)
	}
	if err := c.db.Get(&lost, `SELECT count(*) FROM notifications WHERE status NOT IN ('sent', 'dropped')`); err != nil || lost > 0 {
		c.t.Errorf("%d mails were lost (%v)", lost, err)
	}
	files, err := os.ReadDir(c.mailbox)
	if err != nil || len(files) != sent || sent == 0 {
		c.t.Errorf("%d files in the mailbox for %d mails sent (%v)", len(files), sent, err)
	}
	logged := 0
	for _, w := range c.workers {
		logged += strings.Count(w.out.String(), "Mail sent")
	}
	if logged != sent {
		c.t.Errorf("%d mails were logged as sent, %d are", logged, sent)
	}
}
