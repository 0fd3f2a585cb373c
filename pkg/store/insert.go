package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// Events go in by id: unsorted batches of two workers deadlock on the primary key.
const insertEvents = `
INSERT INTO stripe_events (
    id, type, outcome, reason, registration_id, kind, source, created, received_at, stored_at, stream_sequence,
    account, livemode, api_version, registration_ref, session_id, intent_id, charge_id, detail, traceparent)
SELECT k.id,
       k.type,
       CASE WHEN k.kind = '' THEN 'ignored' WHEN k.registration_id = '' THEN 'waiting' ELSE 'settled' END,
       nullif(k.reason, ''),
       nullif(k.registration_id, ''),
       nullif(k.kind, ''),
       k.source,
       nullif(k.created, '')::timestamptz,
       nullif(k.received_at, '')::timestamptz,
       $19::timestamptz,
       nullif(k.sequence, 0),
       nullif(k.account, ''),
       k.livemode,
       nullif(k.api_version, ''),
       nullif(k.ref, ''),
       nullif(k.session, ''),
       nullif(k.intent, ''),
       nullif(k.charge, ''),
       k.detail::jsonb,
       nullif(k.traceparent, '')
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::bigint[], $10::text[], $11::boolean[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
            $17::text[], $18::text[])
    AS k (id, type, reason, registration_id, kind, source, created, received_at,
          sequence, account, livemode, api_version, ref, session, intent, charge, detail, traceparent)
ORDER BY k.id
ON CONFLICT (id) DO NOTHING
RETURNING id`

// insertQuery stores events, and finds what was there and waits for them: a small batch mostly waits for round trips.
func insertQuery() string {
	const parameters = 19 // of insertEvents
	return `
WITH stored AS (` + insertEvents + `
)
SELECT s.id, NULL, NULL FROM stored s
UNION ALL
SELECT NULL, w.id, w.registration_id
FROM (` + waitingFor(parameters+1, keyColumns()...) + `
) w (id, registration_id)`
}

// insert stores the events that are not stored yet and returns their ids, and the facts that wait for what the events
// are linked to, or for the batch before. Whether one of the events was stored before and waits is not looked for: catchUp
// does that.
func (t *tx) insert(ctx context.Context, events []Received, links map[string]string, before keys) (stored map[string]bool, found findings, err error) {
	stored, found = make(map[string]bool, len(events)), findings{}
	look := before.clone()
	for _, e := range before.waiting {
		if id := links[e.ID]; id != "" {
			look.ids[e.ID] = id
		}
	}
	if len(events) == 0 && look.empty() {
		return stored, found, nil
	}
	var c columns
	for _, e := range events {
		id := links[e.ID]
		c.add(e, id)
		if e.Fact != nil && id != "" {
			look.add(*e.Fact, id)
		}
	}
	err = t.each(ctx, t.statements.insert, func(rows *sql.Rows) error {
		var id, fact, registrationID *string
		err := rows.Scan(&id, &fact, &registrationID)
		if id != nil {
			stored[*id] = true
		}
		found.add(fact, registrationID)
		return err
	}, append(c.arrays(t.now), look.arrays()...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("insert facts: %w", err)
	}
	return stored, found, nil
}

// columns are rows of stripe_events turned by a quarter, as unnest wants them.
type columns struct {
	ids, types, reasons, registrations, kinds, sources []string
	created, received                                  []string
	sequences                                          []int64
	accounts                                           []string
	livemodes                                          []bool
	versions, refs, sessions, intents, charges         []string
	details, traceparents                              []string
}

func (c *columns) add(e Received, registrationID string) {
	var f registration.Fact
	if e.Fact != nil {
		f = *e.Fact
	}
	source := f.Source
	if source == "" {
		source = registration.FromStripe
	}
	c.ids = append(c.ids, e.ID)
	c.types = append(c.types, e.Type)
	c.reasons = append(c.reasons, e.Ignored)
	c.registrations = append(c.registrations, registrationID)
	c.kinds = append(c.kinds, string(f.Kind))
	c.sources = append(c.sources, string(source))
	c.created = append(c.created, timeText(e.Created))
	c.received = append(c.received, timeText(e.ReceivedAt))
	c.sequences = append(c.sequences, int64(e.Sequence)) // #nosec G115 -- a stream never holds 2^63 messages
	c.accounts = append(c.accounts, e.Account)
	c.livemodes = append(c.livemodes, e.Livemode)
	c.versions = append(c.versions, e.APIVersion)
	c.refs = append(c.refs, e.Registration)
	c.sessions = append(c.sessions, f.Session)
	c.intents = append(c.intents, f.Intent)
	c.charges = append(c.charges, f.Charge)
	c.details = append(c.details, Detail(&f))
	c.traceparents = append(c.traceparents, e.Traceparent)
}

func (c *columns) arrays(now time.Time) []any {
	return []any{
		pq.Array(c.ids), pq.Array(c.types), pq.Array(c.reasons), pq.Array(c.registrations), pq.Array(c.kinds), pq.Array(c.sources),
		pq.Array(c.created), pq.Array(c.received), pq.Array(c.sequences), pq.Array(c.accounts), pq.Array(c.livemodes),
		pq.Array(c.versions), pq.Array(c.refs), pq.Array(c.sessions), pq.Array(c.intents), pq.Array(c.charges), pq.Array(c.details),
		pq.Array(c.traceparents), now,
	}
}

// timeText is a time as PostgreSQL reads it in an array of text, cut to its microseconds; empty for the zero time.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}
