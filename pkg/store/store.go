// Package store keeps registrations, their facts, seats and mails in PostgreSQL. All SQL is here.
//
// Locks are taken in one order everywhere: stripe_events, registrations, events, each by id.
package store

import (
	"context"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver

	"github.com/educareschool/guichet/pkg/registration"
)

// Options says how a store settles.
type Options struct {
	Policy registration.Policy
	// ActionRequiredDelay is how long the mail about a required action waits; 3-D Secure usually ends on the page.
	ActionRequiredDelay time.Duration
	// MailsOff suppresses the mails that settling wants, now and for ever: see mailing.
	MailsOff bool
	// Now is the clock; nil means the real one.
	Now func() time.Time
	// MaxConnections bounds the pool, those that hold a lock apart; 0 means 8.
	MaxConnections int
}

// Store is a pool of connections to the database of a DATABASE_URL. It is safe for concurrent use.
type Store struct {
	db         *sqlx.DB
	statements statements
	policy     registration.Policy
	mailing    mailing
	thorough   bool // attention is looked at also where neither the row nor its facts raise any
	now        func() time.Time
}

// workerSettings make every look-up an index look-up. Plans prepared while the tables are empty would
// otherwise scan them until autoanalyze comes by: measured, a third of the rate. Each statement is planned once a
// connection: PostgreSQL would plan most of them anew for each small batch, which took it longer than running them.
// What needs a plan for its values asks for it (see planForValues). The lock time-out lets us, not the platform, give way in a
// deadlock, which PostgreSQL itself resolves after a second only.
var workerSettings = map[string]string{
	"enable_seqscan":    "off",
	"enable_hashjoin":   "off",
	"enable_mergejoin":  "off",
	"enable_bitmapscan": "off",
	"jit":               "off",
	"plan_cache_mode":   "force_generic_plan",
	// What is committed meanwhile must be seen: see catchUp.
	"default_transaction_isolation": "read committed",
	"lock_timeout":                  "100ms",
	"application_name":              "guichet",
}

// Open connects and refuses a schema that is older than this program.
func Open(ctx context.Context, databaseURL string, o Options) (*Store, error) {
	db, err := sqlx.Open("postgres", with(verified(databaseURL), workerSettings))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	connections := o.MaxConnections
	if connections == 0 {
		connections = 8
	}
	connections += lockConnections
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if err := checkSchema(ctx, db); err != nil {
		_ = db.Close()
		return nil, explained(err)
	}
	s := &Store{db: db, policy: o.Policy, mailing: mailing{o.ActionRequiredDelay, MailPending}, now: o.Now}
	if o.MailsOff {
		s.mailing.status = MailSuppressed
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.statements, err = prepare(ctx, db); err != nil {
		_ = db.Close()
		return nil, err
	}
	return s, nil
}

// Close ends the pool.
func (s *Store) Close() error { return s.db.Close() }

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.db.PingContext(ctx); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	return nil
}

// with adds run-time parameters to a URL or to a key=value string.
func with(databaseURL string, parameters map[string]string) string {
	names := make([]string, 0, len(parameters))
	for name := range parameters {
		names = append(names, name)
	}
	sort.Strings(names)
	if u, err := url.Parse(databaseURL); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		query := u.Query()
		for _, name := range names {
			query.Set(name, parameters[name])
		}
		// All before the query stays as it was written: net/url does not read every host that it writes.
		return databaseURL[:strings.IndexAny(databaseURL+"?", "?#")] + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	for _, name := range names {
		databaseURL += fmt.Sprintf(" %s='%s'", name, parameters[name])
	}
	return databaseURL
}
