package proof_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/replay"
	"github.com/educareschool/guichet/pkg/simulate"
)

// crowd has n registrations pay, and publishes their events in any order, one of them twice, far apart. It returns how
// many there are.
func (h *house) crowd(n int) int {
	h.t.Helper()
	h.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-' || g, 'e', 'x@example.org' FROM generate_series(0, $1 - 1) g`, n)
	var events []simulate.Event
	for i := range n {
		events = append(events, h.purchase(fmt.Sprint("reg-", i))...)
	}
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- a test's order
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	h.publish(append(slices.Clone(events), events[0])...)
	return len(events)
}

func (h *house) replay(ctx context.Context, progress func(done, total uint64)) (replay.Result, error) {
	return replay.Replay{JS: h.js, Store: h.off, Unprocessed: true, Progress: progress}.Apply(ctx)
}

// Events of a batch wait for those of others.
func TestAReplayOfManyBatchesProvesAndNamesWhatPostgreSQLRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.crowd(600)
	h.exec(`ALTER TABLE stripe_events ADD CONSTRAINT whim CHECK (registration_ref NOT IN ('reg-7', 'reg-500'))`)
	result, err := h.replay(t.Context(), nil)
	const refused = 2 * 3 // of their five events two name no registration
	if err != nil || result.Matched != events+1 || result.Stored != events-refused || result.Refused != refused || len(result.Refusals) != refused {
		t.Errorf("%+v, %v", result, err)
	}
	for _, r := range result.Refusals {
		if !strings.Contains(r.Reason, "whim") {
			t.Errorf("%+v", r)
		}
	}
	h.exec(`ALTER TABLE stripe_events DROP CONSTRAINT whim`)
	if result, err = h.replay(t.Context(), nil); err != nil || result.Stored != refused || result.Refused != 0 || result.Settled == 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if got := h.get(`SELECT string_agg(DISTINCT status || ' ' || cause, ', ') FROM registrations`); got != "FAILED dispute" {
		t.Errorf("the registrations are %s", got)
	}
	h.wantSound()
}

// A place that a restore gives must not depend on which batch is committed first.
func TestAReplayGivesTheLastPlaceToWhoPaidFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const batch = 1024
	h.exec(`INSERT INTO events (id, title, capacity) VALUES ('one', 'Recital', 1)`)
	h.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-' || g, 'e', 'x@example.org' FROM generate_series(2, $1) g`, batch)
	h.exec(`INSERT INTO registrations (id, event_id, email, status, seat_wished, seat_held) SELECT id, 'one', 'x@example.org', 'EXPIRED', false, false FROM unnest('{first,last}'::text[]) id`)
	payments := []simulate.Event{h.stripe.Payment("first").Completed()}
	for i := range batch - 1 {
		payments = append(payments, h.stripe.Payment(fmt.Sprint("reg-", i+2)).Completed())
	}
	h.publish(append(payments, h.stripe.Payment("last").Completed())...) // a batch of its own, which is soon done
	if result, err := h.replay(t.Context(), nil); err != nil || result.Stored != batch+1 {
		t.Errorf("%+v, %v", result, err)
	}
	if got := h.get(`SELECT string_agg(id, ' ') FROM registrations WHERE event_id = 'one' AND status = 'PAID' AND seat_held`); got != "first" {
		t.Errorf("the place is %q's", got)
	}
}

func TestAReplayThatIsCutOffCountsWhatItStoredAndCanBeRunAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.crowd(600)
	ctx, cut := context.WithCancel(t.Context())
	defer cut()
	first, err := h.replay(ctx, func(done, _ uint64) {
		if done < 2500 {
			return
		}
		for range 1000 { // until a batch is stored
			var stored bool
			if err := h.db.Get(&stored, `SELECT EXISTS (SELECT FROM stripe_events)`); err != nil {
				t.Error(err)
			}
			if stored {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cut()
	})
	var stored int
	if err := h.db.Get(&stored, `SELECT count(*) FROM stripe_events`); err != nil {
		t.Fatal(err)
	}
	if err == nil || first.Stored == 0 || first.Stored > stored || stored == events {
		t.Errorf("%d are stored, %+v, %v", stored, first, err)
	}
	second, err := h.replay(t.Context(), nil)
	if err != nil || second.Stored != events-stored {
		t.Errorf("%+v, %v after %d were stored", second, err, stored)
	}
	h.wantSound()
}
