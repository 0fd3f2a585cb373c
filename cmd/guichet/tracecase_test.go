package main

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
	"github.com/educareschool/guichet/pkg/timeline"
)

var update = flag.Bool("update", false, "write the golden files anew")

// stage is a database on which a case is played at times of the test's own.
type stage struct {
	t     *testing.T
	db    *sqlx.DB
	store *store.Store
	now   time.Time
	seq   uint64
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t}
	url := pgtest.Database(t)
	if _, _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s.db = database(t, map[string]string{"DATABASE_URL": url})
	var err error
	s.store, err = store.Open(t.Context(), url, store.Options{
		Policy: registration.Policy{FailedHold: 24 * time.Hour, PendingHold: 24 * time.Hour, ExpiryGrace: time.Hour},
		Now:    func() time.Time { return s.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	return s
}

// clock is a time of the tenth of March 2026, or of a later day.
func clock(day int, hhmmss string) time.Time {
	at, err := time.Parse("15:04:05", hhmmss)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 3, day, at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
}

func (s *stage) exec(query string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Exec(query, args...); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
}

// comes has an event processed now, received a moment before.
func (s *stage) comes(e simulate.Event) {
	s.t.Helper()
	decoded, err := stripeevent.Decode(e.Body, stripeevent.Filter{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.seq++
	if _, err := s.store.Process(s.t.Context(), []store.Received{{Event: decoded, Sequence: s.seq, ReceivedAt: s.now.Add(-40 * time.Millisecond)}}); err != nil {
		s.t.Fatal(err)
	}
}

// sweep settles what the platform changed.
func (s *stage) sweep() {
	s.t.Helper()
	if _, _, err := s.store.Sweep(s.t.Context(), 100); err != nil {
		s.t.Fatal(err)
	}
}

// clean does what cleanup does without a key.
func (s *stage) clean() {
	s.t.Helper()
	overdue, err := s.store.Overdue(s.t.Context(), 100, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	var facts []store.Received
	for _, o := range overdue {
		facts = append(facts, store.Own(o.Registration.ID, registration.Lapsed(o.Registration, o.State)))
	}
	if _, err := s.store.Process(s.t.Context(), facts); err != nil {
		s.t.Fatal(err)
	}
}

// post sends the mails whose turn has come, or has them fail.
func (s *stage) post(status store.MailStatus, reason string) {
	s.t.Helper()
	claimed, err := s.store.ClaimMails(s.t.Context(), 100, time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	s.now = s.now.Add(2 * time.Second)
	for _, n := range claimed {
		if n.Wanted == nil {
			continue
		}
		if err := s.store.FinishMail(s.t.Context(), n.ID, status, reason, s.now.Add(15*time.Minute)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// tell is what guichet trace prints.
func (s *stage) tell(id string, beyond timeline.Beyond) string {
	s.t.Helper()
	story, err := s.store.Story(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	account, err := timeline.Tell(story, beyond, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (traced{ID: id, Registration: story.Registration, Account: account}).print(globals{}, &out); err != nil {
		s.t.Fatal(err)
	}
	for _, word := range personal {
		if strings.Contains(out.String(), word) {
			s.t.Errorf("%q is shown in\n%s", word, out.String())
		}
	}
	return out.String()
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it, then run with -update\n--- got\n%s\n--- want\n%s", file, got, want)
	}
}

// purchase is a payment whose ids can be read in a golden text.
func purchase(stripe *simulate.Stripe, name string) *simulate.Payment {
	p := stripe.Payment("reg-1")
	p.IDs = simulate.IDs{Session: "cs_" + name, Intent: "pi_" + name, Charge: "ch_" + name, Dispute: "dp_" + name, Refund: "re_" + name}
	return p
}

func on(at time.Time, id string) []simulate.Option {
	return []simulate.Option{simulate.At(at), simulate.WithID(id)}
}

// Somebody is declined, tries again in another tab, pays in both, one of which arrives late and finds the registration
// expired and its place given away; a person refunds one payment, and the other is disputed.
func TestTrace_TellsADisputedLateTwicePaidCase(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	stripe := simulate.New(rand.New(rand.NewPCG(1, 2)), func() time.Time { return s.now })

	s.now = clock(10, "09:00:00")
	first := purchase(stripe, "first")
	s.exec(`INSERT INTO events (id, title, capacity) VALUES ('gala', 'Gala of spring', 1)`)
	s.exec(`INSERT INTO registrations (id, event_id, email, name, amount_due, currency, created_at, checkout_session_id, due_at)
		VALUES ('reg-1', 'gala', $1, $2, 4500, 'eur', $3, 'cs_first', $3)`, simulate.BuyerEmail, simulate.BuyerName, s.now)
	s.now = clock(10, "09:00:01")
	s.sweep()

	s.now = clock(10, "09:05:02")
	s.comes(first.Failed(simulate.CardDeclined(), append(on(clock(10, "09:05:00"), "evt_1_declined"), simulate.WithCharge("ch_declined"))...))
	s.post(store.MailSent, "")

	s.now = clock(10, "09:20:00")
	second := purchase(stripe, "second")
	s.exec(`UPDATE registrations SET checkout_session_id = 'cs_second', checkout_created_at = $1, checkout_expires_at = $2 WHERE id = 'reg-1'`, s.now, clock(10, "09:50:00"))
	s.exec(`UPDATE registrations SET checkout_set_at = $1, due_at = $1 WHERE id = 'reg-1'`, s.now)
	s.now = clock(10, "09:20:01")
	s.sweep()

	s.now = clock(10, "10:55:00") // both payments are made at Stripe, and nothing has arrived
	s.clean()
	s.exec(`INSERT INTO registrations (id, event_id, email, created_at) VALUES ('reg-2', 'gala', 'b@example.org', $1)`, s.now)
	s.post(store.MailSent, "")

	s.now = clock(10, "12:00:00")
	s.comes(second.Completed(on(clock(10, "09:31:00"), "evt_2_paid")...))
	s.post(store.MailSent, "")

	s.now = clock(10, "12:10:00")
	s.exec(`DELETE FROM registrations WHERE id = 'reg-2'`) // and its place goes to reg-1, at the database's time
	s.exec(`UPDATE registration_history SET at = $1 WHERE fact_id IS NULL AND seat_held AND from_status = 'PAID'`, s.now)
	s.exec(`UPDATE attention SET cleared_at = $1 WHERE flag = 'paid_without_seat'`, s.now)

	s.now = clock(10, "13:00:00")
	s.comes(first.Completed(on(clock(10, "09:40:00"), "evt_3_paid")...))
	s.post(store.MailSent, "")
	s.now = clock(10, "14:00:00")
	if err := s.store.Acknowledge(t.Context(), 2, "ops@desk", "refunding cs_first at Stripe"); err != nil {
		t.Fatal(err)
	}
	s.now = clock(10, "14:05:00")
	s.comes(first.Refunded(4500, on(clock(10, "14:04:59"), "evt_4_refund")...))
	s.post(store.MailSent, "")

	s.now = clock(12, "08:00:00")
	s.comes(second.Disputed(on(clock(12, "07:59:58"), "evt_5_dispute")...))
	s.post(store.MailPending, "the server does not answer")
	if _, err := s.store.BeginOperation(t.Context(), "verify", "ops@desk", map[string]any{"registration": "reg-1", "repair": true}); err != nil {
		t.Fatal(err)
	}
	s.now = clock(12, "08:01:00")
	golden(t, "trace_disputed_late_twice_paid.txt", s.tell("dp_second", timeline.Beyond{}))
}
