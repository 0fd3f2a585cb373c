package worker

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestAnEventSettlesItsRegistrationAndIsMailed(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	w := r.work()
	r.publish(r.stripe.Payment("reg-1").Completed())
	r.status("reg-1", "PAID")
	r.is("sent", `SELECT status FROM notifications WHERE kind = 'payment_confirmed'`)
	r.drained()
	w.says("✅ Payment confirmed for registration: reg-1")
}

func TestARegistrationThatComesAfterItsPaymentIsSettledBySweeping(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	w := r.work()
	r.publish(r.stripe.Payment("reg-late").Completed())
	w.says("❌ Failed to confirm payment for registration: reg-late")
	r.drained()
	r.register("reg-late")
	r.status("reg-late", "PAID")
	w.says("✅ Payment confirmed for registration: reg-late")
}

func TestAPlatformsChangeOfSessionIsSettledBySweeping(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	old := r.stripe.Payment("reg-1")
	r.exec(`UPDATE registrations SET checkout_session_id = $1 WHERE id = 'reg-1'`, old.Session)
	r.work()
	r.publish(old.SessionAbandoned())
	r.status("reg-1", "EXPIRED")
	r.is("0", `SELECT count(*) FROM active_registrations`)
	r.exec(`UPDATE registrations SET checkout_session_id = 'cs_new', checkout_created_at = now() WHERE id = 'reg-1'`)
	r.status("reg-1", "PENDING")
	r.is("1", `SELECT count(*) FROM active_registrations`)
}

func TestAnUndecodableEventBecomesADeadLetterAndItsNeighboursSettle(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1", "reg-2")
	good := r.stripe.Payment("reg-1").Completed()
	poison := []byte(`{"id":"evt_poison","type":"checkout.session.completed","created":1700000000,"data":{"object":{"id":"cs_1","payment_status":"maybe"}}}`)
	r.publish(good)
	r.store("evt_poison", "checkout.session.completed", poison)
	r.store("evt_noise", "checkout.session.completed", []byte("\x00 not JSON"))
	r.publish(r.stripe.Payment("reg-2").Completed())
	w := r.work()
	r.status("reg-1", "PAID")
	r.status("reg-2", "PAID")
	r.drained()
	letters := r.letters()
	if len(letters) != 2 {
		t.Fatalf("%d dead letters, want 2", len(letters))
	}
	letter := letters[0]
	if string(letter.Data) != string(poison) || letter.Subject != "stripe.dead.checkout.session.completed" {
		t.Errorf("the letter is %q under %s", letter.Data, letter.Subject)
	}
	for header, want := range map[string]string{
		stream.HeaderEventID: "evt_poison", stream.HeaderEventType: "checkout.session.completed",
		stream.HeaderDeadSequence: "2", stream.HeaderDeadDeliveries: "1", stream.HeaderDeadReason: `undecodable event: payment_status is "maybe"`,
	} {
		if got := letter.Header.Get(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	if at, err := time.Parse(stream.TimeFormat, letter.Header.Get(stream.HeaderDeadAt)); err != nil || time.Since(at) > patience {
		t.Errorf("%s: %v", stream.HeaderDeadAt, err)
	}
	w.says("Event moved to the dead letters")
	w.says(`"event_id":"evt_noise"`)
}

func TestAnEventThatPostgreSQLRefusesIsFoundAndBuried(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	refused := r.stripe.Payment("reg-7").Completed()
	r.refuse("INSERT", "stripe_events", fmt.Sprintf(`NEW.id = '%s'`, refused.ID))
	for i := range 20 {
		id := fmt.Sprintf("reg-%d", i)
		r.register(id)
		if i == 7 {
			r.publish(refused)
			continue
		}
		r.publish(r.stripe.Payment(id).Completed())
	}
	w := r.work()
	for i := range 20 {
		if i != 7 {
			r.status(fmt.Sprintf("reg-%d", i), "PAID")
		}
	}
	r.drained()
	if letters := r.letters(); len(letters) != 1 || letters[0].Header.Get(stream.HeaderEventID) != refused.ID {
		t.Errorf("dead letters: %v", letters)
	}
	w.says("❌ Failed to confirm payment for registration: reg-7")
	r.status("reg-7", "PENDING")
}

func TestADeadLetterThatWasPublishedBeforeACrashIsNotDoubled(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	consumer, err := r.js.Consumer(t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	r.store("evt_noise", "x", []byte("not JSON"))
	w := &worker{js: r.js, metrics: newMetrics(newRegistry()), log: nopLog()}
	msg, err := consumer.Next(jetstream.FetchMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	// Published, and then dead before the message was ended: JetStream delivers it again.
	if err := w.bury(t.Context(), &message{Msg: noTerm{msg}, sequence: 1, deliveries: 1}, errors.New("no use")); err == nil {
		t.Fatal("the end of the message was to fail")
	}
	if err := msg.Nak(); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.drained()
	if letters := r.letters(); len(letters) != 1 {
		t.Errorf("%d dead letters, want 1", len(letters))
	}
}

// noTerm is a message whose end is lost.
type noTerm struct{ jetstream.Msg }

func (noTerm) TermWithReason(string) error { return errors.New("lost") }

func TestTwoWorkersShareTheStream(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.exec(`UPDATE events SET capacity = NULL`)
	r.work()
	r.work()
	for i := range 300 {
		id := fmt.Sprintf("reg-%d", i)
		r.register(id)
		p := r.stripe.Payment(id)
		r.publish(p.Succeeded(), p.Completed(), p.Disputed(simulate.WithoutIntent()))
	}
	r.is("300", `SELECT count(*) FROM registrations WHERE status = 'FAILED' AND cause = 'dispute'`)
	r.drained()
	r.is("300", `SELECT seats_held FROM events`)
	r.is("0", `SELECT count(*) FROM stripe_events WHERE outcome = 'waiting'`)
}

func TestAWorkerThatIsToldToStopFinishesWhatItHas(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.exec(`UPDATE events SET capacity = NULL`)
	for i := range 500 {
		id := fmt.Sprintf("reg-%d", i)
		r.register(id)
		r.publish(r.stripe.Payment(id).Completed())
	}
	w := r.work()
	r.eventually("some are settled", func() error {
		var n int
		if err := r.db.Get(&n, `SELECT count(*) FROM registrations WHERE status = 'PAID'`); err != nil || n == 0 {
			return fmt.Errorf("%d (%w)", n, err)
		}
		return nil
	})
	w.stop()
	consumer, err := r.js.Consumer(t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	var paid int
	if err := r.db.Get(&paid, `SELECT count(*) FROM registrations WHERE status = 'PAID'`); err != nil {
		t.Fatal(err)
	}
	r.eventually("what was settled is acknowledged", func() error {
		if floor := consumer.CachedInfo().AckFloor.Stream; int(floor) != paid { // #nosec G115 -- a few hundred
			info, err := consumer.Info(t.Context())
			return fmt.Errorf("acknowledged %d, settled %d (%v, %w)", floor, paid, info.NumAckPending, err)
		}
		return nil
	})
}

func TestTheWorkerWaitsForAConsumerThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	if err := r.js.DeleteConsumer(t.Context(), stream.Events, stream.Consumer); err != nil {
		t.Fatal(err)
	}
	w := r.work()
	w.says("run `guichet setup`")
	if status := probe(t, w); status != http.StatusServiceUnavailable {
		t.Errorf("ready with %d", status)
	}
	if _, err := stream.Setup(t.Context(), r.js, stream.Config{MaxAge: time.Hour, MaxBytes: 1 << 28, DuplicateWindow: time.Hour, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	r.publish(r.stripe.Payment("reg-1").Completed())
	r.status("reg-1", "PAID")
	r.eventually("the worker is ready", func() error {
		if status := probe(t, w); status != http.StatusOK {
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
	// A consumer that goes away while the worker runs is waited for anew.
	if err := r.js.DeleteConsumer(t.Context(), stream.Events, stream.Consumer); err != nil {
		t.Fatal(err)
	}
	w.says("The stream's consumer went away")
	if _, err := r.js.CreateConsumer(t.Context(), stream.Events, stream.ConsumerConfig()); err != nil {
		t.Fatal(err)
	}
	r.register("reg-2")
	r.publish(r.stripe.Payment("reg-2").Completed())
	r.status("reg-2", "PAID")
}

func probe(t *testing.T, w *running) int {
	t.Helper()
	answer, err := http.Get("http://" + w.admin + "/readyz?verbose")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	return answer.StatusCode
}

func TestWhileTheDatabaseIsAwayMessagesAreKept(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-1")
	w := r.work()
	r.exec(`ALTER TABLE stripe_events RENAME TO stripe_events_away`)
	r.publish(r.stripe.Payment("reg-1").Completed())
	w.says("The database did not take a batch")
	w.says("❌ Failed to confirm payment for registration: reg-1")
	r.exec(`ALTER TABLE stripe_events_away RENAME TO stripe_events`)
	r.status("reg-1", "PAID")
	r.drained()
	if letters := r.letters(); len(letters) > 0 {
		t.Errorf("%d dead letters", len(letters))
	}
}

func TestConnectionsThatPostgreSQLEndsLoseNothing(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.exec(`UPDATE events SET capacity = NULL`)
	r.work()
	for i := range 200 {
		id := fmt.Sprintf("reg-%d", i)
		r.register(id)
		r.publish(r.stripe.Payment(id).Completed())
		if i%20 == 0 {
			r.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'guichet'`)
		}
	}
	r.is("200", `SELECT count(*) FROM registrations WHERE status = 'PAID' AND seat_held`)
	r.drained()
	if letters := r.letters(); len(letters) > 0 {
		t.Errorf("%d dead letters", len(letters))
	}
}

func TestJudgeSaysWhatBecomesOfABatch(t *testing.T) {
	t.Parallel()
	undecodable := fmt.Errorf("%w: no use", stripeevent.ErrUndecodable)
	for name, c := range map[string]struct {
		err        error
		size       int
		deliveries uint64
		stopping   bool
		want       verdict
	}{
		"committed":                         {nil, 10, 1, false, ack},
		"committed while stopping":          {nil, 10, 1, true, ack},
		"undecodable":                       {undecodable, 1, 1, false, deadLetter},
		"database away":                     {errors.New("connection refused"), 10, 1, false, wait},
		"database away for long":            {errors.New("connection refused"), 1, 100, false, wait},
		"database away while stopping":      {errors.New("connection refused"), 10, 1, true, giveBack},
		"refused data in a batch":           {dataError(), 10, 1, false, split},
		"refused data alone":                {dataError(), 1, 1, false, again},
		"refused data alone, once too much": {dataError(), 1, maxDeliveries, false, deadLetter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := judge(c.err, c.size, c.deliveries, c.stopping); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
