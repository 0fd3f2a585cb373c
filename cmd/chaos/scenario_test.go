//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/stream/streamtest"
)

// catchUpLimit is I5: how long after the last fault is healed everything must be settled.
const catchUpLimit = 30 * time.Second

// scenario is a fault that is injected, again and again, while a hostile Stripe sends.
type scenario struct {
	name  string
	times counts
	shape shape
	rate  int // purchases a second; 0 is 25, and 8 in the short run, which keeps two processors busy four at a time
	// poisoned has one event in so many be poison; 0 none.
	poisoned int
	// alone has it be played while no other is.
	alone bool
	// every is the time from one injection to the next; 0 is a random pause of up to 400 ms after each.
	every time.Duration
	// refuses and prints say how the fault is noticed where it was one: deliveries are refused, and a service prints
	// what matches. Where it is not, nothing was tried.
	refuses bool
	prints  string
	// mailsTwice is how many mails may come twice for each injection: those accepted by the server of which the
	// worker died, or lost its database, before it could note so. A worker sends one at a time.
	mailsTwice int
	// begin, if set, is called when all is up and before anything is sent.
	begin func(r *run)
	// fault injects the fault once and heals it.
	fault func(r *run, nth int)
	// end, if set, is called when everything is settled.
	end func(r *run)
}

// run is a scenario being played.
type run struct {
	*stack
	random *rand.Rand
	sender *sender
	ledger *ledger
	js     jetstream.JetStream
	healed time.Time // when the last fault was over
	note   func(format string, args ...any)
}

// play injects a scenario's fault so many times under load, waits until all is settled and holds the ledger
// against what is there.
func play(t *testing.T, s scenario, times int, rows *report) {
	rows.begin(s.name)
	r := newRun(t, s)
	r.note = func(format string, args ...any) { rows.note(s.name, format, args...) }
	if s.begin != nil {
		s.begin(r)
	}
	var took time.Duration
	r.underLoad(s.rate, func() {
		r.inject(s, times)
		r.caughtUp()
		took = time.Since(r.healed)
	})
	if s.end != nil {
		s.end(r)
	}
	found := r.check()
	events, deliveries, failed := r.ledger.totals()
	rows.add(result{s.name, times, events, deliveries, failed, len(found.lost), len(found.doubled), found.mailsTwice, took})
	if s.refuses && failed == 0 {
		t.Error("no delivery was refused: the fault was none")
	}
	if s.prints != "" && !r.printed(s.prints) {
		t.Errorf("no service printed %q: the fault was none", s.prints)
	}
	for _, problems := range [][]string{found.lost, found.doubled, found.wrong} {
		for _, p := range problems[:min(len(problems), 5)] {
			t.Error(p)
		}
	}
	if took > catchUpLimit {
		t.Errorf("it took %s to catch up, more than %s", took, catchUpLimit)
	}
	if found.mailsTwice > times*s.mailsTwice {
		t.Errorf("%d mails came twice, more than the fault explains", found.mailsTwice)
	}
	r.discreet()
}

// inject has a scenario's fault strike so many times.
func (r *run) inject(s scenario, times int) {
	r.t.Helper()
	began := time.Now()
	for n := range times {
		switch {
		case n == 0:
		case s.every > 0:
			pause(r.t, time.Until(began.Add(time.Duration(n)*s.every)))
		default:
			pause(r.t, r.upTo(400*time.Millisecond))
		}
		r.healed = time.Time{}
		s.fault(r, n)
		if r.healed.IsZero() { // a fault that goes on after it is over says when it was
			r.healed = time.Now()
		}
	}
}

// printed says whether a service printed what matches.
func (r *run) printed(pattern string) bool {
	re := regexp.MustCompile(pattern)
	for _, s := range r.services() {
		if re.Match(s.output()) {
			return true
		}
	}
	return false
}

// newRun starts what a scenario needs and waits until it is ready; should the test fail, the ledger is kept.
func newRun(t *testing.T, s scenario) *run {
	t.Helper()
	random := seeded(t)
	r := &run{random: random, ledger: newLedger()}
	t.Cleanup(func() {
		if t.Failed() {
			r.ledger.save(t)
		}
	})
	r.stack = newStack(t, s.shape)
	r.awaitReady()
	r.js = r.jetStream()
	r.sender = newSender(t, random, r.ledger, r.platform, r.doors)
	r.sender.poisoned = s.poisoned
	return r
}

// underLoad does something while the sender sells so many purchases a second, then waits until all that was sold is
// delivered, settled and mailed.
func (r *run) underLoad(rate int, something func()) {
	r.t.Helper()
	if rate == 0 {
		rate = counts{8, 25}.at(scaleOf(r.t))
	}
	ctx, stop := context.WithCancel(context.Background())
	var sending sync.WaitGroup
	defer sending.Wait()
	defer stop()
	sending.Go(func() { r.sender.run(ctx, rate) })
	pause(r.t, time.Second) // some load first
	something()
	r.sender.stop()
	r.sender.drained()
	r.settled()
	r.mailed()
}

// check holds the ledger against what is there, once it can be read: a cluster may still elect who answers.
func (r *run) check() (found findings) {
	r.t.Helper()
	c := checker{db: r.db, js: r.js, ledger: r.ledger, mailed: r.mails.counts()}
	eventually(r.t, "what is there can be read", func() (err error) {
		found, err = c.check(r.t.Context())
		return err
	})
	return found
}

func (r *run) upTo(longest time.Duration) time.Duration {
	return time.Duration(r.random.Int64N(int64(longest)))
}

// caughtUp waits, while more is sent, until what Stripe had tried to deliver by now is accepted and processed.
func (r *run) caughtUp() {
	r.t.Helper()
	owed := r.ledger.tried()
	eventually(r.t, "what was owed is processed", func() error {
		accepted := r.ledger.accepted()
		var ids []string
		for _, id := range owed {
			if _, taken := accepted[id]; !taken {
				return fmt.Errorf("%s is not accepted", id)
			}
			ids = append(ids, id)
		}
		var processed int
		err := r.db.Get(&processed, `SELECT count(*) FROM stripe_events WHERE id = ANY ($1)`, pq.Array(ids))
		if err == nil && processed < len(ids) {
			err = fmt.Errorf("%d of %d events are processed", processed, len(ids))
		}
		return err
	})
}

// settled waits until nothing is left to do but mails.
func (r *run) settled() {
	r.t.Helper()
	const open = `
SELECT (SELECT count(*) FROM registrations WHERE due_at IS NOT NULL) +
       (SELECT count(*) FROM stripe_events e WHERE outcome = 'waiting'
            AND EXISTS (SELECT FROM registrations r WHERE r.id = e.registration_ref)) +
       (SELECT count(*) FROM events e WHERE (capacity IS NULL OR seats_held < capacity)
            AND EXISTS (SELECT FROM registrations r WHERE r.event_id = e.id AND status = 'PAID' AND seat_wished AND NOT seat_held))`
	eventually(r.t, "everything is settled", func() error {
		if err := r.backlog(); err != nil {
			return err
		}
		var n int
		err := r.db.Get(&n, open)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d things are left to do", n)
		}
		return err
	})
}

// backlog is nil when every event in the stream has been acknowledged.
func (r *run) backlog() error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	return streamtest.Drained(ctx, r.js)
}

// mailed waits until no mail is left to be sent, for as long as they get fewer. The claims of killed workers and the
// pauses between tries last for minutes; that time is made to pass.
func (r *run) mailed() {
	r.t.Helper()
	for left := math.MaxInt; left > 0; {
		eventually(r.t, "mails are sent", func() error {
			r.passMailTime()
			var n int
			if err := r.db.Get(&n, `SELECT count(*) FROM notifications WHERE status = 'pending'`); err != nil {
				return err
			}
			if n >= left {
				return fmt.Errorf("%d are left", n)
			}
			left = n
			return nil
		})
	}
}

// passMailTime lets the pause before a mail's next try be over. A claim is left to who holds it for a time that no
// try in this test outlasts. It writes only rows that this changes: it is called again and again.
func (r *run) passMailTime() {
	_, err := r.db.Exec(`
UPDATE notifications SET send_after = least(send_after, now()),
    leased_until = CASE WHEN leased_until < now() + interval '5 minutes 45 seconds' THEN NULL ELSE leased_until END
WHERE status = 'pending' AND (send_after > now() OR leased_until < now() + interval '5 minutes 45 seconds')`)
	if err != nil && !errors.Is(err, context.Canceled) {
		r.t.Log("time does not pass: ", err)
	}
}
