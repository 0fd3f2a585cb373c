package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// world is what a story is played in: few registrations, events and sessions, so that they meet often.
const (
	worldEvents        = 3
	worldRegistrations = 8
)

func someEvent(pick func(int) int) string        { return fmt.Sprint("e", pick(worldEvents)) }
func someRegistration(pick func(int) int) string { return fmt.Sprint("reg-", pick(worldRegistrations)) }

var worldKinds = []registration.FactKind{
	registration.Paid, registration.Paid, registration.Paid, registration.PaymentProcessing, registration.PaymentFailed,
	registration.PaymentFailed, registration.ActionRequired, registration.IntentCanceled, registration.IntentCanceled,
	registration.SessionExpired, registration.IntentSucceeded, registration.Disputed, registration.DisputeClosed,
	registration.ChargeRefunded, registration.RefundFailed,
}

// someFact tells something of one of a registration's two sessions; it names as much of it as its kind does, or less.
func someFact(n int, pick func(int) int) store.Received {
	about := someRegistration(pick)
	name := fmt.Sprint(about, "_", pick(2))
	session, intent, charge := "cs_"+name, "pi_"+name, fmt.Sprint("ch_", name, "_", pick(2))
	kind := worldKinds[pick(len(worldKinds))]
	switch kind {
	case registration.Paid, registration.PaymentProcessing, registration.SessionExpired:
		charge = ""
	case registration.Disputed, registration.DisputeClosed, registration.ChargeRefunded, registration.RefundFailed:
		session = ""
	default:
		session = ""
	}
	if pick(4) == 0 {
		intent = ""
	}
	if session+intent+charge == "" {
		charge = "ch_" + name
	}
	if pick(2) == 0 {
		about = ""
	}
	e := fact(pick(300), kind, about, of(session, intent, charge), func(f *registration.Fact) {
		f.Amount, f.Currency = 2500, "eur"
		f.IntentCreated = noon.Add(time.Duration(pick(300)) * time.Second)
		f.FullyRefunded = pick(2) == 0
		switch kind {
		case registration.Disputed, registration.DisputeClosed:
			f.Dispute, f.Outcome = "dp_"+charge, []string{"won", "lost"}[pick(2)]
		case registration.RefundFailed:
			f.Refund = "re_" + charge
		}
	})
	e.ID = fmt.Sprintf("evt_%04d_%d", pick(10000), n)
	e.Fact.ID = e.ID
	return e
}

// somePlatformStatement is a thing that platforms do. Of several rows each is locked in id order: in the order of
// the table, two platforms run into a deadlock with each other.
func somePlatformStatement(pick func(int) int) (string, []any) {
	const inOrder = `SELECT id FROM registrations WHERE id IN ($1, $2) ORDER BY id FOR UPDATE`
	r, e := someRegistration(pick), someEvent(pick)
	switch pick(9) {
	case 0, 1, 2:
		return `INSERT INTO registrations (id, event_id, email, created_at, amount_due) VALUES ($1, $2, 'x', $3, 2500) ON CONFLICT DO NOTHING`, []any{r, e, noon}
	case 3:
		return `INSERT INTO registrations (id, event_id, email, created_at) SELECT 'reg-' || n, $1, 'x', $2 FROM generate_series(0, 2) n
			ON CONFLICT (id) DO UPDATE SET event_id = excluded.event_id`, []any{e, noon}
	case 4:
		return `DELETE FROM registrations WHERE id = $1`, []any{r}
	case 5:
		return `DELETE FROM registrations WHERE id IN (` + inOrder + `)`, []any{r, someRegistration(pick)}
	case 6:
		return `UPDATE registrations SET event_id = $3 WHERE id IN (` + inOrder + `)`, []any{r, someRegistration(pick), e}
	case 7:
		return `UPDATE registrations SET checkout_session_id = $1, checkout_created_at = $2, checkout_expires_at = $3 WHERE id = $4`,
			[]any{fmt.Sprint("cs_", r, "_", pick(2)), noon.Add(time.Duration(pick(300)) * time.Second), noon.Add(24 * time.Hour), r}
	}
	return `UPDATE events SET capacity = nullif($1, 5) WHERE id = $2`, []any{pick(6), e}
}

// platformMayFail says whether an error is one that the platform is to expect.
func platformMayFail(err error) bool {
	if err == nil {
		return true
	}
	message := strings.TrimPrefix(err.Error(), "pq: ")
	return strings.HasSuffix(message, "(23514)") && (strings.Contains(message, "is full") || strings.Contains(message, "its capacity cannot be"))
}

const resetWorld = `
TRUNCATE events, registrations, stripe_events, registration_history, notifications;
INSERT INTO events (id, title, capacity) SELECT 'e' || n, 'x', n + 1 FROM generate_series(0, 2) n`

// Whatever happens, in any order, the counts are exact at every step, and in the end every registration is what
// its facts say.
func TestStories(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rapid.Check(t, func(rt *rapid.T) {
		f.exec(resetWorld)
		f.now = noon
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") }
		var told []store.Received
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch pick(8) {
			case 0, 1, 2:
				if err := f.platform(somePlatformStatement(pick)); !platformMayFail(err) {
					rt.Fatal(err)
				}
			case 3, 4, 5:
				var batch []store.Received
				for range 1 + pick(6) {
					if len(told) > 0 && pick(4) == 0 {
						batch = append(batch, told[pick(len(told))])
						continue
					}
					batch = append(batch, someFact(len(told), pick))
					told = append(told, batch[len(batch)-1])
				}
				f.process(batch...)
			case 6:
				f.sweep()
				f.send()
			case 7:
				f.now = f.now.Add(time.Duration(pick(13)) * time.Hour)
				f.clean()
			}
			if wrong := f.miscounts(); len(wrong) > 0 {
				rt.Fatal(wrong)
			}
		}
		f.settleAll()
		for _, problem := range f.problems() {
			rt.Error(problem)
		}
	})
}

func (f *fixture) platform(statement string, args []any) error {
	_, err := f.db.ExecContext(context.Background(), statement, args...)
	return err
}

// someSeed is what a test's randomness follows from: a new one, or that of a run to repeat. It is printed when the test fails.
func someSeed(t testing.TB) uint64 {
	t.Helper()
	const variable = "GUICHET_CHAOS_SEED"
	seed := rand.Uint64()
	if given := os.Getenv(variable); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
	}
	t.Logf("repeat with %s=%d", variable, seed)
	return seed
}

// randomly draws from a seeded source; it is not safe for concurrent use.
func randomly(seed, stream uint64) func(int) int {
	return rand.New(rand.NewPCG(seed, stream)).IntN
}
