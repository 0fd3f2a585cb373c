package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
)

func dataError() error {
	return fmt.Errorf("insert facts: %w", &pq.Error{Code: "22021", Message: "invalid byte sequence"})
}
func newRegistry() *prometheus.Registry { return prometheus.NewRegistry() }
func nopLog() *zap.Logger               { return zap.NewNop() }

func TestAFailedPaymentsPlaceIsReleasedAfterItsHold(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register("reg-old", "reg-new")
	w := r.work()
	r.publish(
		r.stripe.Payment("reg-old").Failed(simulate.CardDeclined(), simulate.At(time.Now().Add(-25*time.Hour))),
		r.stripe.Payment("reg-new").Failed(simulate.CardDeclined(), simulate.At(time.Now().Add(-23*time.Hour))))
	r.is("false", `SELECT seat_held FROM registrations WHERE id = 'reg-old' AND status = 'FAILED'`)
	r.is("true", `SELECT seat_held FROM registrations WHERE id = 'reg-new' AND status = 'FAILED'`)
	r.is("1", `SELECT seats_held FROM events`)
	r.is("clock", `SELECT source FROM stripe_events WHERE kind = 'hold_expired' AND registration_id = 'reg-old'`)
	w.says("🧹 Starting cleanup of expired Stripe sessions...")
	w.says("🗑️ Found 1 expired Stripe sessions to cleanup")
	w.says("✅ Cleanup completed: 1/1 registrations cleaned")
}

func TestASessionThatExpiredUnheardOfIsRemovedAndAPaymentRestoresIt(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.work()
	r.exec(`INSERT INTO registrations (id, event_id, email, checkout_session_id, checkout_created_at, checkout_expires_at)
		VALUES ('reg-1', 'e', 'x@example.org', 'cs_1', now() - interval '26 hours', now() - interval '2 hours')`)
	r.status("reg-1", "EXPIRED")
	r.is("0", `SELECT count(*) FROM active_registrations`)
	r.is("0", `SELECT seats_held FROM events`)
	r.is("sent", `SELECT status FROM notifications WHERE kind = 'session_expired'`)
	r.publish(r.stripe.Payment("reg-1").Completed())
	r.status("reg-1", "PAID")
	r.is("1", `SELECT count(*) FROM active_registrations`)
	r.is("1", `SELECT seats_held FROM events`)
}

func TestCleanupWaitsForTheBacklog(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	// Somebody paid, and another's event is in hand for as long as the test wants: until then nobody is released.
	r.exec(`INSERT INTO registrations (id, event_id, email, checkout_session_id, checkout_expires_at)
		VALUES ('reg-1', 'e', 'x@example.org', 'cs_1', now() - interval '2 hours')`)
	consumer, err := r.js.Consumer(t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	r.publish(r.stripe.Payment("reg-1").Completed())
	inHand, err := consumer.Next(jetstream.FetchMaxWait(patience))
	if err != nil {
		t.Fatal(err)
	}
	w := r.work()
	w.says("A task waits for the backlog")
	r.is("PENDING true", `SELECT status || ' ' || seat_held FROM registrations WHERE id = 'reg-1' AND due_at IS NULL`)
	if err := inHand.Nak(); err != nil {
		t.Fatal(err)
	}
	r.status("reg-1", "PAID")
	w.says("✅ Cleanup completed: 0/0 registrations cleaned")
	r.is("0", `SELECT count(*) FROM stripe_events WHERE source = 'clock'`)
}

func TestOneWorkerAtATimeCleansUp(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.exec(`INSERT INTO events (id, title) VALUES ('e3', 'Big')`)
	r.exec(`INSERT INTO registrations (id, event_id, email, checkout_session_id, checkout_expires_at)
		SELECT 'reg-' || n, 'e3', 'x@example.org', 'cs_' || n, now() - interval '2 hours' FROM generate_series(1, 450) n`)
	r.work()
	r.work()
	r.is("450", `SELECT count(*) FROM registrations WHERE status = 'EXPIRED' AND NOT seat_held`)
	r.is("450", `SELECT count(*) FROM registration_history`)
	r.is("0", `SELECT seats_held FROM events WHERE id = 'e3'`)
}

func TestOneRegistrationThatIsRefusedDoesNotStopTheCleanup(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.refuse("INSERT", "stripe_events", `NEW.id LIKE '%:reg-7:%'`)
	r.exec(`INSERT INTO registrations (id, event_id, email, checkout_session_id, checkout_expires_at)
		SELECT 'reg-' || n, 'e', 'x@example.org', 'cs_' || n, now() - interval '2 hours' FROM generate_series(1, 20) n`)
	w := r.work()
	r.is("19", `SELECT count(*) FROM registrations WHERE status = 'EXPIRED' AND NOT seat_held`)
	w.says("A registration could not be cleaned")
	w.says("✅ Cleanup completed: 19/20 registrations cleaned")
	r.is("PENDING", `SELECT status FROM registrations WHERE id = 'reg-7'`)
}
