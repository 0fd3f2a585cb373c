package traffic

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/store"
)

const seedVenuesQuery = `
INSERT INTO events (id, title, capacity)
SELECT v.id, v.id, $2
FROM unnest($1::text[]) AS v (id)`

const seedRegistrationsQuery = `
INSERT INTO registrations (id, event_id, email, name, amount_due, currency, checkout_session_id, checkout_created_at, checkout_expires_at, created_at)
SELECT r.id, r.venue, r.id || '@example.org', 'Ada Lovelace', 4500, 'eur', r.session, r.started, r.started + $5 * interval '1 second', r.started
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS r (id, venue, session, started)`

// Seed writes registrations as the platform does, each venue with as many places as it has registrations.
func Seed(ctx context.Context, db *sqlx.DB, purchases []*Purchase) error {
	held := map[string]int{}
	var ids, venues, sessions, started, all []string
	for _, p := range purchases {
		if held[p.Venue]++; held[p.Venue] == 1 {
			all = append(all, p.Venue)
		}
		ids = append(ids, p.Registration)
		venues = append(venues, p.Venue)
		sessions = append(sessions, p.Session)
		started = append(started, p.Started.UTC().Format(time.RFC3339))
	}
	capacity := 0
	for _, n := range held {
		capacity = max(capacity, n)
	}
	if _, err := db.ExecContext(ctx, seedVenuesQuery, pq.Array(all), capacity); err != nil {
		return fmt.Errorf("insert events: %w", err)
	}
	_, err := db.ExecContext(ctx, seedRegistrationsQuery, pq.Array(ids), pq.Array(venues), pq.Array(sessions), pq.Array(started), lifetime.Seconds())
	if err != nil {
		return fmt.Errorf("insert registrations: %w", err)
	}
	if _, err := db.ExecContext(ctx, `VACUUM ANALYZE`); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	return nil
}

// Swept settles the rows that the platform has just made, as a worker's sweeper does within seconds.
func Swept(ctx context.Context, databaseURL string, o store.Options) error {
	s, err := store.Open(ctx, databaseURL, o)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	const at = 2000
	for {
		if _, n, err := s.Sweep(ctx, at); err != nil || n < at {
			return err
		}
	}
}
