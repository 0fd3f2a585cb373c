package traffic

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const copyInbox = `
COPY stripe_events (
    id, type, outcome, registration_id, kind, created, received_at, stored_at, api_version, registration_ref, session_id, intent_id,
    charge_id, detail)
FROM STDIN`

// FillInbox writes rows of events that were settled long ago, with the ids that Stripe gave them: five for a
// purchase, over as long as they would have taken. Their registrations are gone.
func FillInbox(ctx context.Context, db *sqlx.DB, rows int, seed uint64) (err error) {
	if rows == 0 {
		return nil
	}
	indexes, err := dropIndexes(ctx, db)
	if err != nil {
		return err
	}
	t, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }() // after the commit it does nothing
	in, err := t.PrepareContext(ctx, copyInbox)
	if err != nil {
		return fmt.Errorf("copy into the inbox: %w", err)
	}
	defer func() { _ = in.Close() }()
	const each = 5
	m := newMixture(seed)
	begin := time.Now().Add(-time.Duration(rows)*time.Second - 365*24*time.Hour).Truncate(time.Second)
	for i := 0; i < rows; i += each {
		p := m.purchase(90_000_000+i/each, 1, begin.Add(time.Duration(i)*time.Second))
		for n := range min(each, rows-i) {
			m.clock = p.Started.Add(time.Duration(n) * time.Second)
			_, err := in.ExecContext(ctx, m.stripe.EventID(), "checkout.session.completed", "settled", p.Registration, "paid", m.clock, m.clock,
				m.clock, "2023-10-16", p.Registration, p.Session, p.Intent, p.Charge, `{"amount": 4500, "currency": "eur"}`)
			if err != nil {
				return fmt.Errorf("copy into the inbox: %w", err)
			}
		}
	}
	if _, err := in.ExecContext(ctx); err != nil {
		return fmt.Errorf("copy into the inbox: %w", err)
	}
	if err := t.Commit(); err != nil {
		return err
	}
	for _, statement := range append(append([]string{`SET maintenance_work_mem = '1GB'`}, indexes...), `VACUUM ANALYZE stripe_events`) {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// dropIndexes drops the inbox's indexes, the primary key's apart, and returns what makes them again: at once,
// rather than row by row.
func dropIndexes(ctx context.Context, db *sqlx.DB) ([]string, error) {
	var indexes []struct {
		Name       string `db:"indexname"`
		Definition string `db:"indexdef"`
	}
	const query = `SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'stripe_events' AND indexname <> 'stripe_events_pkey'`
	if err := db.SelectContext(ctx, &indexes, query); err != nil {
		return nil, fmt.Errorf("indexes of the inbox: %w", err)
	}
	var definitions []string
	for _, index := range indexes {
		if _, err := db.ExecContext(ctx, "DROP INDEX "+pq.QuoteIdentifier(index.Name)); err != nil {
			return nil, fmt.Errorf("drop index %s: %w", index.Name, err)
		}
		definitions = append(definitions, index.Definition)
	}
	return definitions, nil
}
