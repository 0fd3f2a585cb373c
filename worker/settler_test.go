package worker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// hand is a settler to which a test hands the stream's messages.
type hand struct {
	settler
	room     *room
	logs     *logs
	consumer jetstream.Consumer
	rest     func() // ends it
}

func (r *room) hand() *hand {
	r.t.Helper()
	opened, err := store.Open(r.t.Context(), r.settings.Database.URL, r.settings.Store())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = opened.Close() })
	consumer, err := r.js.Consumer(r.t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		r.t.Fatal(err)
	}
	logs := &logs{}
	log, err := logging.New(logs, "debug", "json")
	if err != nil {
		r.t.Fatal(err)
	}
	after := make(chan func(), 1)
	var answering sync.WaitGroup
	answering.Go(func() {
		for do := range after {
			do()
		}
	})
	rest := sync.OnceFunc(func() { close(after); answering.Wait() })
	r.t.Cleanup(rest)
	w := &worker{
		log: log, guide: guide{log}, settings: r.settings, filter: r.settings.Filter(), metrics: newMetrics(newRegistry()),
		held: newHeld(log), js: r.js, store: opened,
	}
	return &hand{settler{worker: w, after: after}, r, logs, consumer, rest}
}

// twoBatches are a payment of reg-1 and one of reg-2.
func (r *room) twoBatches() (h *hand, first, second []*message) {
	r.t.Helper()
	r.register("reg-1", "reg-2")
	r.publish(r.stripe.Payment("reg-1").Completed(), r.stripe.Payment("reg-2").Completed())
	h = r.hand()
	return h, h.take(1), h.take(1)
}

// take takes the stream's next messages.
func (h *hand) take(n int) []*message {
	h.room.t.Helper()
	var batch []*message
	for range n {
		msg, err := h.consumer.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			h.room.t.Fatal(err)
		}
		batch = append(batch, h.decode(msg))
	}
	return batch
}

// unanswered waits until so many of the messages that were taken are not acknowledged.
func (h *hand) unanswered(want int) {
	h.room.t.Helper()
	h.room.eventually("acknowledgements", func() error {
		info, err := h.consumer.Info(h.room.t.Context())
		if err != nil || info.NumAckPending != want {
			return fmt.Errorf("%d wait for their answer, want %d (%w)", info.NumAckPending, want, err)
		}
		return nil
	})
}

func TestABatchIsAcknowledgedOnceItIsLookedAfter(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	h, first, second := r.twoBatches()
	h.settle(t.Context(), first, false)
	r.status("reg-1", "PAID")
	h.unanswered(2)
	h.settle(t.Context(), second, false)
	r.status("reg-2", "PAID")
	h.unanswered(1)
	h.finish(t.Context())
	h.unanswered(0)
}

func TestALargeBatchIsLookedAfterAtOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	payment := r.stripe.Payment("reg-1")
	for range carried + 1 {
		r.publish(payment.Completed())
	}
	h := r.hand()
	h.settle(t.Context(), h.take(carried+1), false)
	h.unanswered(0)
	r.status("reg-1", "PAID")
}

func TestABatchIsNotBlamedForTheOneAfterIt(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1", "reg-2", "reg-3")
	refused := r.stripe.Payment("reg-2").Completed()
	r.refuse("INSERT", "stripe_events", fmt.Sprintf(`NEW.id = '%s'`, refused.ID))
	r.publish(r.stripe.Payment("reg-1").Completed(), refused, r.stripe.Payment("reg-3").Completed())
	h := r.hand()
	first, second := h.take(1), h.take(2)
	h.settle(t.Context(), first, false)
	h.settle(t.Context(), second, false)
	h.finish(t.Context())
	r.status("reg-1", "PAID")
	r.status("reg-3", "PAID")
	h.unanswered(1)
	if again := h.take(1)[0]; again.event.ID != refused.ID {
		t.Errorf("%s comes again", again.event.ID)
	}
}

// What another worker committed beside a batch is refused when it is linked to it: the batch after it is not to be held up
// for it, nor acknowledged without it.
func TestABatchThatCannotBeLookedAfterIsSettledAnew(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1", "reg-2")
	payment := r.stripe.Payment("reg-1")
	r.publish(payment.Completed(), r.stripe.Payment("reg-2").Completed())
	h := r.hand()
	stray := store.Received{Sequence: 1000, Event: stripeevent.Event{ID: "evt_stray", Type: "charge.dispute.created", Created: time.Now(), Fact: &registration.Fact{
		ID: "evt_stray", Kind: registration.Disputed, Source: registration.FromStripe, Created: time.Now(), Intent: "pi_other", Dispute: "dp_1",
	}}}
	if _, err := h.store.Process(t.Context(), []store.Received{stray}); err != nil {
		t.Fatal(err)
	}
	r.refuse("UPDATE", "stripe_events", `NEW.id = 'evt_stray' AND NEW.outcome = 'settled'`)
	first, second := h.take(1), h.take(1)
	h.settle(t.Context(), first, false)
	r.exec(`UPDATE stripe_events SET intent_id = $1 WHERE id = 'evt_stray'`, payment.Intent) // another worker commits
	h.settle(t.Context(), second, false)
	h.finish(t.Context())
	r.status("reg-2", "PAID")
	h.unanswered(1)
	r.exec(`DROP TRIGGER refuse ON stripe_events`)
	h.rest()
	r.work()
	r.drained()
	r.is("reg-1", `SELECT registration_id FROM stripe_events WHERE id = 'evt_stray'`)
	if letters := r.letters(); len(letters) > 0 {
		t.Errorf("%d dead letters", len(letters))
	}
}

func TestABatchThatWaitsForItsLookIsNotToldAsFailed(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	h, first, second := r.twoBatches()
	h.settle(t.Context(), first, false)
	r.exec(`ALTER TABLE stripe_events RENAME TO stripe_events_away`)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.settle(t.Context(), second, false)
		h.finish(t.Context())
	}()
	h.logs.say(t, "❌ Failed to confirm payment for registration: reg-2")
	r.eventually("its look is tried again", func() error {
		if n := strings.Count(h.logs.String(), "The database did not take a batch"); n < 3 {
			return fmt.Errorf("tried %d times", n)
		}
		return nil
	})
	h.unanswered(2)
	r.exec(`ALTER TABLE stripe_events_away RENAME TO stripe_events`)
	<-done
	h.unanswered(0)
	h.rest()
	for line, want := range map[string]int{
		"✅ Payment confirmed for registration: reg-1": 1, "❌ Failed to confirm payment for registration: reg-1": 0,
		"✅ Payment confirmed for registration: reg-2": 1, "❌ Failed to confirm payment for registration: reg-2": 1,
	} {
		if got := strings.Count(h.logs.String(), line); got != want {
			t.Errorf("%q is logged %d times, want %d", line, got, want)
		}
	}
}

func TestABatchIsLookedAfterBeforeItsFollowersAreBuried(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	r.publish(r.stripe.Payment("reg-1").Completed())
	r.store("evt_noise", "x", []byte("not JSON"))
	h := r.hand()
	h.handle(t.Context(), h.take(1))
	h.unanswered(1)
	h.handle(t.Context(), h.take(1))
	h.unanswered(0)
	if letters := r.letters(); len(letters) != 1 {
		t.Errorf("%d dead letters", len(letters))
	}
}

func TestABatchThatIsNotLookedAfterByTheEndOfTheGraceIsGivenBack(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	h, first, second := r.twoBatches()
	work, over := context.WithCancel(t.Context())
	h.settle(work, first, false)
	over()
	h.settle(work, second, false)
	h.finish(work)
	h.rest()
	r.status("reg-2", "PENDING")
	for range 2 {
		if m := h.take(1)[0]; m.deliveries != 2 {
			t.Errorf("%s is delivered %d times", m.event.ID, m.deliveries)
		} else if err := m.Nak(); err != nil {
			t.Fatal(err)
		}
	}
	r.work()
	r.drained()
	r.status("reg-2", "PAID")
	r.is("1", `SELECT count(*) FROM registration_history WHERE registration_id = 'reg-1'`)
}
