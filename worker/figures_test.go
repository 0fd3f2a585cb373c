package worker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// figureTeller is a worker as far as it tells figures.
type figureTeller struct {
	*worker
	registry *prometheus.Registry
	figures  *figures
}

func (r *room) figureTeller() figureTeller {
	r.t.Helper()
	opened, err := store.Open(r.t.Context(), r.settings.Database.URL, store.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = opened.Close() })
	registry := prometheus.NewRegistry()
	w := &worker{log: nopLog(), store: opened, metrics: newMetrics(prometheus.NewRegistry())}
	return figureTeller{w, registry, newFigures(registry, opened, 20)}
}

func (f figureTeller) tells(t *testing.T) bool {
	t.Helper()
	n, err := testutil.GatherAndCount(f.registry)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func TestOneWorkerAtATimeTellsTheFigures(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	first, second := r.figureTeller(), r.figureTeller()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- first.tellFigures(first.figures)(ctx) }()
	r.eventually("the first worker tells", func() error {
		if !first.tells(t) {
			return errors.New("it does not yet")
		}
		return nil
	})
	if err := second.tellFigures(second.figures)(t.Context()); !errors.Is(err, errElsewhere) || second.tells(t) {
		t.Errorf("the second worker tells too (%v)", err)
	}
	cancel()
	if err := <-ended; err != nil || first.tells(t) {
		t.Errorf("the first worker goes on telling (%v)", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	go func() { ended <- second.tellFigures(second.figures)(ctx) }()
	r.eventually("the second worker tells", func() error {
		if !second.tells(t) {
			return errors.New("it does not yet")
		}
		return nil
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFiguresThatCannotBeReadAreNotTold(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	f := r.figureTeller()
	if err := f.figures.read(t.Context()); err != nil || !f.tells(t) {
		t.Fatal(err)
	}
	r.exec(`ALTER TABLE attention RENAME TO elsewhere`)
	if err := f.tellFigures(f.figures)(t.Context()); err == nil || f.tells(t) {
		t.Errorf("they are told all the same (%v)", err)
	}
}

func TestRegistrationsAreCountedSeldomWhereCountingTakesLong(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	f := r.figureTeller()
	if err := f.figures.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := f.figures.latest.Load()
	first.countAgain = time.Now().Add(time.Hour)
	r.register("reg-1")
	if err := f.figures.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.figures.latest.Load().registrations[registration.Pending]; n != 0 {
		t.Errorf("%d were counted before their time", n)
	}
	f.figures.latest.Load().countAgain = time.Time{}
	if err := f.figures.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.figures.latest.Load().registrations[registration.Pending]; n != 1 {
		t.Errorf("%d were counted, want 1", n)
	}
}

func TestFiguresAreToldByClosedSetsOfLabels(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	f := newFigures(registry, nil, 20)
	long, capacity := time.Now().Add(-time.Hour), int64(10)
	due := time.Unix(1_800_000_000, 0)
	f.latest.Store(&told{
		Figures: store.Figures{
			Seats: []store.EventSeats{{ID: "gala", Capacity: &capacity, Held: 7}, {ID: "stream", Held: 3}},
			Attention: []store.OpenAttention{
				{Flag: registration.PaidWithoutSeat, Currency: "eur", Count: 2, Amount: 5000, Since: long},
				{Flag: registration.PaidWithoutSeat, Currency: "chf", Count: 1, Amount: 900, Since: time.Now()},
				{Flag: registration.UnlinkedDispute, Currency: "eur", Count: 1, Amount: 2500, Since: time.Now()},
				{Flag: registration.DoublePayment, Currency: "\n€x", Count: 1, Amount: 1, Since: time.Now()},
			},
			Disputes: []store.OpenDisputes{{Currency: "eur", Count: 1, Amount: 2500, DueBy: &due}, {Currency: "chf", Count: 2, Amount: 200}},
			Mails:    store.Queue{Count: 4, Since: &long},
		},
		registrations: map[registration.Status]int64{registration.PaidStatus: 3},
	})
	const want = `
# HELP guichet_attention_open What waits for a person, neither cleared nor acknowledged, by flag.
# TYPE guichet_attention_open gauge
guichet_attention_open{flag="amount_mismatch"} 0
guichet_attention_open{flag="double_payment"} 1
guichet_attention_open{flag="paid_without_seat"} 3
guichet_attention_open{flag="refund_failed"} 0
guichet_attention_open{flag="silence"} 0
guichet_attention_open{flag="unconfirmed_payment"} 0
guichet_attention_open{flag="unknown_registration"} 0
guichet_attention_open{flag="unlinked_dispute"} 1
# HELP guichet_disputes_evidence_due_timestamp_seconds When the next open dispute wants its evidence, in Unix time; not there without one.
# TYPE guichet_disputes_evidence_due_timestamp_seconds gauge
guichet_disputes_evidence_due_timestamp_seconds 1.8e+09
# HELP guichet_disputes_open Disputes that are not closed.
# TYPE guichet_disputes_open gauge
guichet_disputes_open 3
# HELP guichet_event_seats_remaining Places left, of the same events; an unlimited one has none.
# TYPE guichet_event_seats_remaining gauge
guichet_event_seats_remaining{event="gala"} 3
# HELP guichet_money_at_risk_minor_units Sum of the payments that open attention is about, and of the disputes that are not closed, in minor units of the currency. One payment may count under several causes.
# TYPE guichet_money_at_risk_minor_units gauge
guichet_money_at_risk_minor_units{cause="amount_mismatch",currency="chf"} 0
guichet_money_at_risk_minor_units{cause="amount_mismatch",currency="eur"} 0
guichet_money_at_risk_minor_units{cause="amount_mismatch",currency="unknown"} 0
guichet_money_at_risk_minor_units{cause="dispute",currency="chf"} 200
guichet_money_at_risk_minor_units{cause="dispute",currency="eur"} 2500
guichet_money_at_risk_minor_units{cause="dispute",currency="unknown"} 0
guichet_money_at_risk_minor_units{cause="double_payment",currency="chf"} 0
guichet_money_at_risk_minor_units{cause="double_payment",currency="eur"} 0
guichet_money_at_risk_minor_units{cause="double_payment",currency="unknown"} 1
guichet_money_at_risk_minor_units{cause="paid_without_seat",currency="chf"} 900
guichet_money_at_risk_minor_units{cause="paid_without_seat",currency="eur"} 5000
guichet_money_at_risk_minor_units{cause="paid_without_seat",currency="unknown"} 0
guichet_money_at_risk_minor_units{cause="refund_failed",currency="chf"} 0
guichet_money_at_risk_minor_units{cause="refund_failed",currency="eur"} 0
guichet_money_at_risk_minor_units{cause="refund_failed",currency="unknown"} 0
guichet_money_at_risk_minor_units{cause="unconfirmed_payment",currency="chf"} 0
guichet_money_at_risk_minor_units{cause="unconfirmed_payment",currency="eur"} 0
guichet_money_at_risk_minor_units{cause="unconfirmed_payment",currency="unknown"} 0
guichet_money_at_risk_minor_units{cause="unknown_registration",currency="chf"} 0
guichet_money_at_risk_minor_units{cause="unknown_registration",currency="eur"} 0
guichet_money_at_risk_minor_units{cause="unknown_registration",currency="unknown"} 0
# HELP guichet_outbox_pending_mails Mails that wait for their turn or another try.
# TYPE guichet_outbox_pending_mails gauge
guichet_outbox_pending_mails 4
`
	err := testutil.GatherAndCompare(registry, strings.NewReader(want), "guichet_attention_open", "guichet_disputes_evidence_due_timestamp_seconds",
		"guichet_disputes_open", "guichet_event_seats_remaining", "guichet_money_at_risk_minor_units", "guichet_outbox_pending_mails")
	if err != nil {
		t.Error(err)
	}
}

// Where counting takes longer than a look may, everything else is told all the same.
func TestRegistrationsThatAreTooManyToCountInTimeAreNotTold(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	f := r.figureTeller()
	f.figures.count = func(ctx context.Context) (map[registration.Status]int64, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := f.figures.read(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(f.registry, "guichet_registrations"); err != nil || n != 0 {
		t.Errorf("%d statuses are told (%v)", n, err)
	}
	if n, err := testutil.GatherAndCount(f.registry, "guichet_outbox_pending_mails"); err != nil || n != 1 {
		t.Errorf("the outbox is told %d times (%v)", n, err)
	}
	if wait := time.Until(f.figures.latest.Load().countAgain); wait < time.Minute {
		t.Errorf("they are counted again in %s", wait)
	}
}
