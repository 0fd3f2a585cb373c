//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// findings are what the checker found; a run without a fault has none.
type findings struct {
	lost, doubled, wrong []string
	mailsTwice           int // deliveries of a mail beyond its first
}

func (f *findings) lose(format string, args ...any) {
	f.lost = append(f.lost, fmt.Sprintf(format, args...))
}
func (f *findings) double(format string, args ...any) {
	f.doubled = append(f.doubled, fmt.Sprintf(format, args...))
}
func (f *findings) err(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

// checker holds a ledger against the database, the stream and the mail server.
type checker struct {
	db     *sqlx.DB
	js     jetstream.JetStream
	ledger *ledger
	mailed map[string]int // what the mail server accepted, by Message-ID
}

// check looks at everything.
func (c checker) check(ctx context.Context) (findings, error) {
	var f findings
	err := errors.Join(c.events(ctx, &f), c.registrations(ctx, &f), c.history(ctx, &f), c.seats(ctx, &f), c.mails(ctx, &f))
	for _, p := range c.ledger.problems {
		f.err("%s", p)
	}
	return f, err
}

// events is I1: whatever was answered with a 2xx is processed or a dead letter, once in the stream, and nothing is
// there that Stripe did not send.
func (c checker) events(ctx context.Context, f *findings) error {
	stored, err := c.read(ctx, stream.Events)
	if err != nil {
		return err
	}
	dead, err := c.read(ctx, stream.DeadLetters)
	if err != nil {
		return err
	}
	var rows []string
	if err := c.db.SelectContext(ctx, &rows, `SELECT id FROM stripe_events WHERE source = 'stripe'`); err != nil {
		return err
	}
	inbox := map[string]bool{}
	for _, id := range rows {
		inbox[id] = true
	}
	for id, poison := range c.ledger.accepted() {
		switch {
		case stored[id] == 0:
			f.lose("%s was answered 2xx and is not in the stream", id)
		case poison && dead[id] == 0:
			f.lose("%s is poison and no dead letter", id)
		case !poison && !inbox[id] && dead[id] == 0:
			f.lose("%s was answered 2xx and is neither processed nor a dead letter", id)
		case !poison && dead[id] > 0:
			f.err("%s became a dead letter for nothing", id)
		}
	}
	for id, n := range stored {
		if n > 1 {
			f.double("%s is %d times in the stream", id, n)
		}
	}
	for id, n := range dead {
		if n > 1 {
			f.double("%s is %d dead letters", id, n)
		}
	}
	for id := range inbox {
		if _, sent := c.ledger.entries[id]; !sent {
			f.err("%s was processed and never sent", id)
		}
	}
	return nil
}

// read counts a stream's messages by event id.
func (c checker) read(ctx context.Context, name string) (map[string]int, error) {
	s, err := c.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	left := s.CachedInfo().State.Msgs
	counts := map[string]int{}
	if left == 0 {
		return counts, nil
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return nil, err
	}
	// Fetch would make a consumer for each batch, which a cluster's other servers may not know yet when it is asked.
	messages, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer messages.Stop()
	for ; left > 0; left-- {
		m, err := messages.Next(jetstream.NextMaxWait(patience))
		if err != nil {
			return nil, fmt.Errorf("read %s, %d left: %w", name, left, err)
		}
		counts[m.Headers().Get(stream.HeaderEventID)]++
	}
	return counts, nil
}

// row is a registration as it is stored.
type row struct {
	ID      string         `db:"id"`
	Event   string         `db:"event_id"`
	Status  string         `db:"status"`
	Cause   string         `db:"cause"`
	Seat    bool           `db:"seat_held"`
	Wished  bool           `db:"seat_wished"`
	Removed bool           `db:"removed"`
	Flags   pq.StringArray `db:"attention"`
	Created time.Time      `db:"created_at"`
	Slots   pq.StringArray `db:"slots"`
}

const rowsQuery = `
SELECT id, event_id, status, cause, seat_held, seat_wished, removed_at IS NOT NULL AS removed, attention, created_at,
       ARRAY(SELECT slot FROM notifications n WHERE n.registration_id = r.id) AS slots
FROM registrations r`

// registrations is I2: every registration is the fold of its events, by the pure core and by the naive model.
func (c checker) registrations(ctx context.Context, f *findings) error {
	var rows []row
	if err := c.db.SelectContext(ctx, &rows, rowsQuery); err != nil {
		return err
	}
	byID := map[string]row{}
	for _, r := range rows {
		byID[r.ID] = r
	}
	for _, p := range c.ledger.purchases {
		r, there := byID[p.id]
		if !there {
			f.err("%s is no registration", p.id)
			continue
		}
		delete(byID, p.id)
		scarce := strings.HasPrefix(p.event, "scarce-")
		want := foretell(p)
		if r.Status != want.status || r.Cause != want.cause || r.Removed != want.removed || r.Wished != want.seat || r.Seat && !want.seat || want.seat && !r.Seat && !scarce {
			f.err("%s is %+v, the model says %+v", p.id, r, want)
		}
		if err := c.fold(p, r, f); err != nil {
			return err
		}
	}
	for id, r := range byID { // nobody had paid for these when the run ended
		if r.Status != "PENDING" {
			f.err("%s is %s, and nothing was sent about it", id, r.Status)
		}
	}
	return nil
}

// fold holds a row against the pure core, given the events as they were sent.
func (c checker) fold(p *purchase, have row, f *findings) error {
	amount := int64(simulate.DefaultAmount)
	r := registration.Registration{ID: p.id, CreatedAt: have.Created, AmountDue: &amount, Currency: "eur"}
	if pay := p.current(); pay != nil {
		r.Session, r.SessionCreatedAt, r.SessionExpiresAt = pay.Session, pay.SessionCreated, pay.SessionExpires
	}
	var facts []registration.Fact
	for _, e := range p.events {
		decoded, err := stripeevent.Decode(e.Body, stripeevent.Filter{})
		if err != nil {
			return err
		}
		if decoded.Fact != nil {
			facts = append(facts, *decoded.Fact)
		}
	}
	day := 24 * time.Hour
	want := registration.Settle(r, facts, registration.Policy{FailedHold: day, PendingHold: day, ExpiryGrace: time.Hour})
	if have.Status != string(want.Status) || have.Cause != string(want.Cause) || have.Wished != want.SeatWish || have.Removed != want.Removed {
		f.err("%s is %+v, its facts say %+v", p.id, have, want)
	}
	for _, a := range want.Attention {
		if !slices.Contains(have.Flags, string(a.Flag)) {
			f.err("%s has not the attention %s", p.id, a.Flag)
		}
	}
	if have.Wished && !have.Seat && have.Status == "PAID" && !slices.Contains(have.Flags, "paid_without_seat") {
		f.err("%s is paid without a seat and nobody is told", p.id)
	}
	for _, m := range want.Mails {
		if !slices.ContainsFunc(append(m.Same, m.Slot), func(slot string) bool { return slices.Contains(have.Slots, slot) }) {
			f.lose("%s: no mail in slot %s, there are %v", p.id, m.Slot, have.Slots)
		}
	}
	return nil
}

// history is I3: each row goes on where the one before ended and changes something, and the last is the present.
func (c checker) history(ctx context.Context, f *findings) error {
	var rows []struct {
		ID    string `db:"registration_id"`
		From  string `db:"from_status"`
		To    string `db:"to_status"`
		Cause string `db:"cause"`
		Seat  bool   `db:"seat_held"`
	}
	err := c.db.SelectContext(ctx, &rows, `SELECT registration_id, from_status, to_status, cause, seat_held FROM registration_history ORDER BY registration_id, id`)
	if err != nil {
		return err
	}
	var present []row
	if err := c.db.SelectContext(ctx, &present, rowsQuery); err != nil {
		return err
	}
	type state struct {
		status, cause string
		seat          bool
	}
	states := map[string]state{}
	for _, r := range rows {
		before, known := states[r.ID]
		if !known {
			before = state{"PENDING", "", true}
		}
		after := state{r.To, r.Cause, r.Seat}
		if r.From != before.status {
			f.double("%s: the history goes on from %s after %s", r.ID, r.From, before.status)
		}
		if after == before {
			f.double("%s: the history says %v twice", r.ID, after)
		}
		states[r.ID] = after
	}
	for _, r := range present {
		last, known := states[r.ID]
		if !known {
			last = state{"PENDING", "", true}
		}
		if last != (state{r.Status, r.Cause, r.Seat}) {
			f.lose("%s: the history ends with %v, the row is %s %s %t", r.ID, last, r.Status, r.Cause, r.Seat)
		}
	}
	return nil
}

// seats is I6: the seats held are the rows that hold one, never more than there are, and none is free while
// somebody who paid waits for it.
func (c checker) seats(ctx context.Context, f *findings) error {
	var rows []struct {
		ID       string `db:"id"`
		Capacity *int   `db:"capacity"`
		Counted  int    `db:"seats_held"`
		Held     int    `db:"held"`
		Waiting  int    `db:"waiting"`
	}
	err := c.db.SelectContext(ctx, &rows, `
SELECT e.id, e.capacity, e.seats_held,
       count(r.id) FILTER (WHERE r.seat_held) AS held,
       count(r.id) FILTER (WHERE r.status = 'PAID' AND r.seat_wished AND NOT r.seat_held) AS waiting
FROM events e LEFT JOIN registrations r ON r.event_id = e.id GROUP BY e.id`)
	for _, e := range rows {
		switch {
		case e.Counted != e.Held:
			f.double("%s counts %d seats, %d rows hold one", e.ID, e.Counted, e.Held)
		case e.Capacity != nil && e.Held > *e.Capacity:
			f.double("%s has %d seats and %d are held", e.ID, *e.Capacity, e.Held)
		case e.Waiting > 0 && (e.Capacity == nil || e.Held < *e.Capacity):
			f.lose("%s has a free seat and %d wait who paid", e.ID, e.Waiting)
		}
	}
	return err
}

// mails is I4: whatever the outbox says was sent, the server has accepted; what it accepted more than once is counted.
func (c checker) mails(ctx context.Context, f *findings) error {
	var rows []outboxRow
	if err := c.db.SelectContext(ctx, &rows, `SELECT id, slot, status FROM notifications`); err != nil {
		return err
	}
	accepted := map[int64]int{}
	for id, n := range c.mailed {
		number, _, _ := strings.Cut(strings.TrimPrefix(id, "<"), ".")
		mail, err := strconv.ParseInt(number, 10, 64)
		if err != nil || !slices.ContainsFunc(rows, func(r outboxRow) bool { return r.ID == mail }) {
			f.err("the mail %s is in no outbox", id)
		}
		accepted[mail] += n
	}
	for _, n := range rows {
		switch {
		case n.Status == "sent" && accepted[n.ID] == 0:
			f.lose("the mail of slot %s is said to be sent and never arrived", n.Slot)
		case n.Status != "sent" && n.Status != "dropped":
			f.lose("the mail of slot %s is %s", n.Slot, n.Status)
		}
		f.mailsTwice += max(accepted[n.ID]-1, 0)
	}
	return nil
}

// outboxRow is a mail as it is stored.
type outboxRow struct {
	ID     int64  `db:"id"`
	Slot   string `db:"slot"`
	Status string `db:"status"`
}
