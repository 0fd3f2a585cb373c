package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// An event that was brought into the stream is no delivery: with deliveries broken, it must not look like one.
const delivered = `e.received_at IS NOT NULL AND NOT EXISTS (SELECT FROM backfilled b WHERE b.event_id = e.id)`

const lastDeliveryQuery = `
SELECT e.received_at
FROM stripe_events e
WHERE ` + delivered + `
ORDER BY e.received_at DESC
LIMIT 1`

// LastDelivery is when the last event came that Stripe delivered, of those in the inbox; zero where none did.
func (s *Store) LastDelivery(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := s.db.GetContext(ctx, &at, lastDeliveryQuery)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look for the last delivery: %w", err)
	}
	return at.UTC(), nil
}

// A gap of an hour or more spans a full hour: so it is enough to look at what came before and after each, which
// costs two look-ups an hour, however many events there are. A gap counts for the week in which it ended.
const gapsQuery = `
SELECT extract(epoch FROM max(g.after - g.before))
FROM (
    SELECT (SELECT e.received_at
            FROM stripe_events e
            WHERE e.received_at < h.at AND ` + delivered + `
            ORDER BY e.received_at DESC
            LIMIT 1) AS before,
           (SELECT e.received_at
            FROM stripe_events e
            WHERE e.received_at >= h.at AND ` + delivered + `
            ORDER BY e.received_at
            LIMIT 1) AS after
    FROM generate_series($1::timestamptz, $2::timestamptz, interval '1 hour') h (at)
) g
WHERE g.before IS NOT NULL AND g.after IS NOT NULL
GROUP BY floor(extract(epoch FROM $2 - g.after) / 604800)
ORDER BY 1`

// week is a week.
const week = 7 * 24 * time.Hour

// LongestGaps are the longest times between two deliveries in each of the last weeks, the shortest first; none
// where the inbox holds less than a week of them. Gaps of less than an hour may be told shorter than they are.
func (s *Store) LongestGaps(ctx context.Context, weeks int) ([]time.Duration, error) {
	const query = `SELECT e.received_at FROM stripe_events e WHERE ` + delivered + ` ORDER BY e.received_at LIMIT 1`
	now := s.now()
	var first time.Time
	err := s.db.GetContext(ctx, &first, query)
	if errors.Is(err, sql.ErrNoRows) || err == nil && now.Sub(first) < week {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the first delivery: %w", err)
	}
	var seconds []float64
	if err := s.db.SelectContext(ctx, &seconds, gapsQuery, now.Add(-time.Duration(weeks)*week), now); err != nil {
		return nil, fmt.Errorf("look for the longest gaps: %w", err)
	}
	gaps := make([]time.Duration, len(seconds))
	for i, s := range seconds {
		gaps[i] = time.Duration(s * float64(time.Second))
	}
	return gaps, nil
}

// silenceFormat is how the object of a silence's attention names the last delivery: to a microsecond, as it is stored.
const silenceFormat = "2006-01-02T15:04:05.000000Z"

const raiseSilenceQuery = `
WITH raised AS (
    INSERT INTO attention (flag, object, raised_at)
    VALUES ('silence', $1, $2)
    ON CONFLICT (coalesce(registration_id, ''), flag, object) DO UPDATE
    SET cleared_at = NULL
    WHERE attention.cleared_at IS NOT NULL
    RETURNING flag, object
)
INSERT INTO notifications (kind, slot, created_at, send_after)
SELECT 'attention', 'attention:' || flag || ':' || object, $2, $2
FROM raised
ON CONFLICT DO NOTHING`

// RaiseSilence raises the attention of a silence that lasts since the last delivery, and says whether it is new.
// One that was cleared too soon is raised again, and mailed once.
func (s *Store) RaiseSilence(ctx context.Context, since time.Time) (raised bool, err error) {
	done, err := s.db.ExecContext(ctx, raiseSilenceQuery, since.UTC().Format(silenceFormat), s.now())
	if err != nil {
		return false, fmt.Errorf("raise silence: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// ClearSilence clears the attention of every silence, and says whether there was one.
func (s *Store) ClearSilence(ctx context.Context) (cleared bool, err error) {
	const query = `UPDATE attention SET cleared_at = $1 WHERE registration_id IS NULL AND flag = 'silence' AND cleared_at IS NULL`
	done, err := s.db.ExecContext(ctx, query, s.now())
	if err != nil {
		return false, fmt.Errorf("clear silence: %w", err)
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// Silence is since when the silence lasts that was raised; zero without one.
func (s *Store) Silence(ctx context.Context) (time.Time, error) {
	const query = `SELECT coalesce(max(object), '') FROM attention WHERE registration_id IS NULL AND flag = 'silence' AND cleared_at IS NULL`
	var since string
	if err := s.db.GetContext(ctx, &since, query); err != nil || since == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(silenceFormat, since)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for a silence: %w", err)
	}
	return at, nil
}

// describeSilence fills in what the mail about a silence says. It is wanted while the silence lasts.
func (t *tx) describeSilence(ctx context.Context, n *Notification) error {
	const query = `
SELECT a.object, coalesce((SELECT e.livemode FROM stripe_events e WHERE e.received_at IS NOT NULL ORDER BY e.received_at DESC LIMIT 1), false)
FROM attention a
WHERE a.registration_id IS NULL AND a.flag = 'silence' AND a.cleared_at IS NULL AND 'attention:silence:' || a.object = $1`
	var since string
	err := t.QueryRowContext(ctx, query, n.Slot).Scan(&since, &n.Livemode)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load silence: %w", err)
	}
	at, err := time.Parse(silenceFormat, since)
	if err != nil {
		return fmt.Errorf("load silence: %w", err)
	}
	mail := registration.Attention{Flag: registration.Silence, Object: since, Fact: registration.Fact{Created: at}}.Mail()
	n.Wanted = &mail
	return nil
}
