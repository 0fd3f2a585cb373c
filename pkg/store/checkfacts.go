package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
)

// forgotten is the reason of an event whose registration the platform deleted: it stays, and counts for nothing.
const forgotten = "registration deleted"

// unitSeparator stands between the fields of a row's text, and recordSeparator between rows; neither a text of an event
// nor JSON holds control characters.
const (
	unitSeparator   = "\x1f"
	recordSeparator = "\x1e"
)

// The text of a row is compared, and rows are sent as one text: PostgreSQL splits that several times faster than it
// reads an array; see factText. An event of a deleted registration is a suspect, too.
const suspectFactsQuery = `
SELECT k.n, f.id IS NOT NULL
FROM unnest(string_to_array($1, E'\x1e'), string_to_array($2, E'\x1e'), $3::bigint[]) WITH ORDINALITY AS k (id, row, created, n)
LEFT JOIN stripe_events f ON f.id = k.id
WHERE f.id IS NULL
    OR concat(f.type, E'\x1f', f.kind, E'\x1f', f.source, E'\x1f', f.account, E'\x1f', f.livemode::int, E'\x1f', f.api_version, E'\x1f',
        f.registration_ref, E'\x1f', f.session_id, E'\x1f', f.intent_id, E'\x1f', f.charge_id, E'\x1f',
        CASE WHEN f.outcome <> 'ignored' THEN f.reason ELSE coalesce(f.reason, f.outcome) END, E'\x1f', f.detail) <> k.row
    OR f.created IS DISTINCT FROM CASE WHEN k.created <> 0 THEN to_timestamp(k.created) END`

// A registration that was there before its event was stored has not been deleted since.
const factsByIDQuery = `
SELECT f.id, f.type, f.outcome, f.reason, f.kind, f.source, f.created, f.account, f.livemode, f.api_version, f.registration_ref,
       f.session_id, f.intent_id, f.charge_id, f.detail,
       EXISTS (SELECT FROM registrations r WHERE r.id = f.registration_ref AND r.created_at <= f.stored_at)
FROM stripe_events f
WHERE f.id = ANY ($1)`

// FactCheck is how the inbox's rows of some events compare with the events.
type FactCheck struct {
	// Missing are the events that have no row.
	Missing []Received
	// Differing are those whose row says something else, and Differences what.
	Differing   []Received
	Differences []Difference
}

// CheckFacts compares the rows of events with what the events say. Which of two messages of one event was stored
// makes no difference, nor does it that an event's registration was deleted, as long as its fact is still whole.
func (s *Store) CheckFacts(ctx context.Context, events []Received) (FactCheck, error) {
	var check FactCheck
	suspects, err := s.suspects(ctx, events, &check)
	if err != nil || len(suspects) == 0 {
		return check, err
	}
	rows, err := s.factsByID(ctx, suspects)
	if err != nil {
		return check, err
	}
	for _, e := range suspects {
		row, there := rows[e.ID]
		if !there {
			check.Missing = append(check.Missing, e)
			continue
		}
		found, err := row.compare(e)
		if err != nil {
			return check, err
		}
		if len(found) > 0 {
			check.Differing = append(check.Differing, e)
			check.Differences = append(check.Differences, found...)
		}
	}
	return check, nil
}

// suspects adds the events that have no row to the check and returns those whose row seems to differ.
func (s *Store) suspects(ctx context.Context, events []Received, check *FactCheck) ([]Received, error) {
	ids, texts := make([]string, 0, len(events)), make([]string, 0, len(events))
	created := make([]int64, 0, len(events))
	for _, e := range events {
		ids, texts = append(ids, e.ID), append(texts, factText(e))
		at := int64(0)
		if !e.Created.IsZero() {
			at = e.Created.Unix()
		}
		created = append(created, at)
	}
	var out []Received
	pool := &tx{statements: s.statements, now: s.now()}
	err := pool.each(ctx, s.statements.suspectFacts, func(rows *sql.Rows) error {
		var n int
		var there bool
		if err := rows.Scan(&n, &there); err != nil {
			return err
		}
		if e := events[n-1]; there {
			out = append(out, e)
		} else {
			check.Missing = append(check.Missing, e)
		}
		return nil
	}, strings.Join(ids, recordSeparator), strings.Join(texts, recordSeparator), pq.Array(created))
	if err != nil {
		return nil, fmt.Errorf("compare facts: %w", err)
	}
	return out, nil
}

// factText is what suspectFactsQuery makes of the row of an event.
func factText(e Received) string {
	var f registration.Fact
	if e.Fact != nil {
		f = *e.Fact
	}
	livemode := "0"
	if e.Livemode {
		livemode = "1"
	}
	return strings.Join([]string{
		e.Type, string(f.Kind), string(registration.FromStripe), e.Account, livemode, e.APIVersion, e.Registration,
		f.Session, f.Intent, f.Charge, e.Ignored, Detail(&f),
	}, unitSeparator)
}

// inboxRow is a row of the inbox with what the event said.
type inboxRow struct {
	factRow
	eventType, outcome, reason string
	account, version, ref      string
	livemode                   bool
	// refThere is that the registration which it names was there before it was stored.
	refThere bool
}

func (s *Store) factsByID(ctx context.Context, events []Received) (map[string]inboxRow, error) {
	ids := make([]string, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	out := map[string]inboxRow{}
	rows, err := s.db.QueryContext(ctx, factsByIDQuery, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("load facts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r inboxRow
		var reason, kind, account, version, ref *string
		var created sql.NullTime
		err := rows.Scan(&r.id, &r.eventType, &r.outcome, &reason, &kind, &r.source, &created, &account, &r.livemode, &version, &ref,
			&r.session, &r.intent, &r.charge, &r.detail, &r.refThere)
		if err != nil {
			return nil, fmt.Errorf("load facts: %w", err)
		}
		r.reason, r.kind, r.account, r.version, r.ref = deref(reason), deref(kind), deref(account), deref(version), deref(ref)
		r.created = created.Time
		out[r.id] = r
	}
	return out, rows.Err()
}

// compare lists the fields in which the row says something else than the event.
func (r inboxRow) compare(e Received) ([]Difference, error) {
	var f registration.Fact
	if e.Fact != nil {
		f = *e.Fact
	}
	c := comparison{about: AboutEvent, id: e.ID}
	c.field("type", r.eventType, e.Type)
	c.field("kind", r.kind, string(f.Kind))
	c.field("source", r.source, string(registration.FromStripe))
	c.time("created", r.created, e.Created)
	c.field("account", r.account, e.Account)
	c.flag("livemode", r.livemode, e.Livemode)
	c.field("api_version", r.version, e.APIVersion)
	c.field("registration_ref", r.ref, e.Registration)
	c.field("session_id", deref(r.session), f.Session)
	c.field("intent_id", deref(r.intent), f.Intent)
	c.field("charge_id", deref(r.charge), f.Charge)
	switch {
	case e.Fact == nil:
		c.field("outcome", r.outcome, "ignored")
		c.field("reason", r.reason, e.Ignored)
	case r.outcome == "ignored" && (r.reason != forgotten || r.refThere):
		c.field("outcome", "ignored: "+r.reason, "settled")
	case r.outcome != "ignored":
		c.field("reason", r.reason, "")
	}
	err := c.details(r.detail, f)
	return c.found, err
}

// details compares what the fact carries beside its ids, member by member.
func (c *comparison) details(stored string, f registration.Fact) error {
	detail := Detail(&f)
	var has, should map[string]any
	if err := json.Unmarshal([]byte(detail), &should); err != nil {
		return fmt.Errorf("fact %s: %w", c.id, err)
	}
	if !strings.HasPrefix(stored, "{") { // JSON it is, but no object
		c.field("detail", stored, detail)
		return nil
	}
	if err := json.Unmarshal([]byte(stored), &has); err != nil {
		return fmt.Errorf("fact %s: %w", c.id, err)
	}
	var names []string
	for name := range has {
		names = append(names, name)
	}
	for name := range should {
		names = append(names, name)
	}
	for _, name := range unique(names) {
		switch {
		case reflect.DeepEqual(has[name], should[name]):
		case name == "action_url": // it opens something
			c.field("detail."+name, "another link", "the event's link")
		default:
			c.field("detail."+name, jsonText(has[name]), jsonText(should[name]))
		}
	}
	return nil
}

// jsonText is a JSON value for people; empty where there is none.
func jsonText(value any) string {
	if value == nil {
		return ""
	}
	text, _ := json.Marshal(value) // it was JSON
	return string(text)
}

// Registrations returns the registrations to which events are linked, each once, and which of the events are stored.
func (s *Store) Registrations(ctx context.Context, events []Received) (linked []string, stored map[string]bool, err error) {
	const query = `SELECT id, coalesce(registration_id, '') AS registration_id FROM stripe_events WHERE id = ANY ($1)`
	ids := make([]string, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	var rows []struct {
		ID           string
		Registration string `db:"registration_id"`
	}
	err = persist(ctx, func() error {
		rows = rows[:0]
		return s.db.SelectContext(ctx, &rows, query, pq.Array(ids))
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look up events: %w", err)
	}
	stored = make(map[string]bool, len(events))
	for _, r := range rows {
		stored[r.ID] = true
		if r.Registration != "" {
			linked = append(linked, r.Registration)
		}
	}
	slices.Sort(linked)
	return slices.Compact(linked), stored, nil
}

// EventsOf returns the events that are linked to a registration.
func (s *Store) EventsOf(ctx context.Context, registrationID string) (map[string]bool, error) {
	const query = `SELECT id FROM stripe_events WHERE registration_id = $1`
	var ids []string
	if err := s.db.SelectContext(ctx, &ids, query, registrationID); err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out, nil
}
