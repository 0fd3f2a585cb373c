package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// stored is a registration as its row and its facts are.
type stored struct {
	registration.Registration
	facts     []registration.Fact
	state     string
	held      bool
	attention []string
}

// registrations reads every registration past the store.
func (f *fixture) registrations() []stored {
	f.t.Helper()
	rows, err := f.db.Query(`
SELECT r.id, r.created_at, r.amount_due, coalesce(r.currency, ''), coalesce(r.checkout_session_id, ''),
       coalesce(r.checkout_set_at, '0001-01-01Z'), coalesce(r.checkout_created_at, '0001-01-01Z'), coalesce(r.checkout_expires_at, '0001-01-01Z'),
       concat_ws(' ', r.status, r.cause, r.seat_wished::text, (r.removed_at IS NOT NULL)::text,
           to_char(r.deadline AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), to_char(r.paid_at AT TIME ZONE 'UTC', '"paid "YYYY-MM-DD HH24:MI:SS.US')),
       r.seat_held, r.attention,
       coalesce((SELECT json_agg(json_build_object('id', s.id, 'kind', s.kind, 'source', s.source, 'created', s.created, 'session', s.session_id,
           'intent', s.intent_id, 'charge', s.charge_id, 'detail', s.detail)) FROM stripe_events s WHERE s.registration_id = r.id), '[]')
FROM registrations r
ORDER BY r.id`)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out []stored
	for rows.Next() {
		var r stored
		var facts []byte
		if err := rows.Scan(&r.ID, &r.CreatedAt, &r.AmountDue, &r.Currency, &r.Session, &r.SessionSetAt, &r.SessionCreatedAt, &r.SessionExpiresAt,
			&r.state, &r.held, (*pq.StringArray)(&r.attention), &facts); err != nil {
			f.t.Fatal(err)
		}
		for _, t := range []*time.Time{&r.SessionSetAt, &r.SessionCreatedAt, &r.SessionExpiresAt} {
			if t.Year() == 1 {
				*t = time.Time{}
			}
		}
		if r.facts, err = decodeFacts(facts); err != nil {
			f.t.Fatal(err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
	return out
}

func decodeFacts(text []byte) ([]registration.Fact, error) {
	var rows []struct {
		ID, Session, Intent, Charge string
		Kind, Source                string
		Created                     time.Time
		Detail                      json.RawMessage
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, err
	}
	var out []registration.Fact
	for _, r := range rows {
		f, err := store.Entry{
			ID: r.ID, Kind: r.Kind, Source: r.Source, Created: &r.Created,
			Session: r.Session, Intent: r.Intent, Charge: r.Charge, Detail: r.Detail,
		}.Fact()
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// settleAll sweeps until nothing is due.
func (f *fixture) settleAll() {
	f.t.Helper()
	for f.get(`SELECT count(*) FROM registrations WHERE due_at IS NOT NULL`) != "0" {
		f.sweep()
	}
}

// problems returns what does not hold that must hold once nothing is due and nobody writes.
func (f *fixture) problems() []string {
	f.t.Helper()
	var out []string
	for _, r := range f.registrations() {
		state := registration.Settle(r.Registration, r.facts, policy)
		want := strings.Join(strings.Fields(fmt.Sprintf("%s %s %t %t %s %s",
			state.Status, state.Cause, state.SeatWish, state.Removed, stamp("", state.Deadline), stamp("paid ", state.PaidAt))), " ")
		if got := strings.Join(strings.Fields(r.state), " "); got != want {
			out = append(out, fmt.Sprintf("%s is %q, its facts say %q: %+v", r.ID, got, want, r.facts))
		}
		var flags []string
		for _, a := range state.Attention {
			flags = append(flags, string(a.Flag))
		}
		if state.Status == registration.PaidStatus && !r.held {
			flags = append(flags, string(registration.PaidWithoutSeat))
		}
		slices.Sort(flags)
		if flags = slices.Compact(flags); !slices.Equal(flags, r.attention) {
			out = append(out, fmt.Sprintf("%s raises %q, want %q", r.ID, r.attention, flags))
		}
		open := f.list(`SELECT flag FROM attention WHERE registration_id = $1 AND cleared_at IS NULL GROUP BY flag ORDER BY flag`, r.ID)
		if !slices.Equal(flags, open) && len(flags)+len(open) > 0 {
			out = append(out, fmt.Sprintf("%s has the occurrences %q, want %q", r.ID, open, flags))
		}
		if r.held && !state.SeatWish {
			out = append(out, r.ID+" holds a place that it does not wish for")
		}
		kept := f.list(`SELECT slot FROM notifications WHERE registration_id = $1 AND status <> 'dropped'`, r.ID)
		for _, m := range state.Mails {
			if !slices.ContainsFunc(append(m.Same, m.Slot), func(slot string) bool { return slices.Contains(kept, slot) }) {
				out = append(out, fmt.Sprintf("%s wants the mail %s, the outbox has %q", r.ID, m.Slot, kept))
			}
		}
	}
	out = append(out, f.miscounts()...)
	strays, err := f.store.LinkStrays(context.Background(), time.Time{}, 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, link := range strays.Links {
		out = append(out, fmt.Sprintf("the fact %+v of %s was left unlinked", link.Fact, link.RegistrationID))
	}
	if err := f.store.MarkSeatable(context.Background()); err != nil {
		f.t.Fatal(err)
	}
	return append(out, f.list(`
SELECT r.id || ' paid and has none of the free places of ' || e.id
FROM registrations r
JOIN events e ON e.id = r.event_id
WHERE r.status = 'PAID' AND NOT r.seat_held AND (e.capacity IS NULL OR e.seats_held < e.capacity)`)...)
}

func stamp(prefix string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return prefix + t.UTC().Format("2006-01-02 15:04:05.000000")
}
