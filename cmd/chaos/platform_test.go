//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/simulate"
)

// platform is who sells the places: it writes registrations into the database beside Guichet.
type platform struct {
	db *sqlx.DB
}

// errSoldOut is that no place is left.
var errSoldOut = errors.New("sold out")

// personalName is on every registration and must be in no output.
const personalName = "Grace Hopper"

// prepare makes the events that places are sold for.
func (p *platform) prepare(t testing.TB) {
	t.Helper()
	p.db.MustExec(`INSERT INTO events (id, title) SELECT 'wide-' || n, 'Concert ' || n FROM generate_series(0, $1::int - 1) n`, wideEvents)
	p.db.MustExec(`INSERT INTO events (id, title, capacity) SELECT 'scarce-' || n, 'Atelier ' || n, $2::int FROM generate_series(0, $1::int - 1) n`,
		scarceEvents, scarceCapacity)
}

// insert writes a purchase's row, with the session that is the nth where it is noted. A row whose commit was
// not heard of is there already.
func (p *platform) insert(ctx context.Context, of *purchase, nth int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var session *string
	var created, expires *time.Time
	if of.noted {
		pay := of.sessions[nth-1]
		session, created, expires = &pay.Session, &pay.SessionCreated, &pay.SessionExpires
	}
	_, err := p.db.ExecContext(ctx, `
INSERT INTO registrations (id, event_id, email, name, amount_due, currency, checkout_session_id, checkout_created_at, checkout_expires_at)
VALUES ($1, $2, md5($1) || '@participants.example.org', $3, $4, 'eur', $5, $6, $7)
ON CONFLICT (id) DO NOTHING`, of.id, of.event, personalName, simulate.DefaultAmount, session, created, expires)
	var refused *pq.Error
	if errors.As(err, &refused) && refused.Constraint == "events_never_oversold" {
		return errSoldOut
	}
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}

// renew notes the last session on the row.
func (p *platform) renew(ctx context.Context, of *purchase) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	pay := of.current()
	_, err := p.db.ExecContext(ctx, `
UPDATE registrations SET checkout_session_id = $2, checkout_created_at = $3, checkout_expires_at = $4 WHERE id = $1`,
		of.id, pay.Session, pay.SessionCreated, pay.SessionExpires)
	return err
}
