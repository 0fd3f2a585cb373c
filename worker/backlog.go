package worker

import (
	"context"
	"sort"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// watchInterval is how often the backlog is looked at; the age of its oldest event is right to that.
const watchInterval = 5 * time.Second

// backlogMarks bounds what a backlog remembers: at most a mark a look while it grows, so hours of it.
const backlogMarks = 2048

// backlog tells how long the oldest unprocessed event has been in the stream. The worker may not read the
// stream, but it is told where the stream ends: an event has been there at least since the first look at
// which the stream reached as far as it. For what was there before this worker began, that is a lower bound.
type backlog struct{ marks []mark }

// mark is that the stream was first seen at a time to end at a sequence.
type mark struct {
	last uint64
	at   time.Time
}

// look takes in that all up to floor is processed and that the stream ends at last, and returns since when the
// oldest unprocessed event is known to be there; the zero time where there is none.
func (b *backlog) look(now time.Time, floor, last uint64) time.Time {
	if n := len(b.marks); n > 0 && last < b.marks[n-1].last { // another stream of the same name
		b.marks = nil
	}
	processed := sort.Search(len(b.marks), func(i int) bool { return b.marks[i].last > floor })
	b.marks = b.marks[processed:]
	if last > floor && (len(b.marks) == 0 || last > b.marks[len(b.marks)-1].last) {
		b.marks = append(b.marks, mark{last, now})
	}
	if len(b.marks) == 0 {
		return time.Time{}
	}
	if len(b.marks) > backlogMarks {
		b.thin()
	}
	return b.marks[0].at
}

// thin forgets every second mark but the first: what it stood for counts from the next one on.
func (b *backlog) thin() {
	kept := b.marks[:1]
	for i := 2; i < len(b.marks); i += 2 {
		kept = append(kept, b.marks[i])
	}
	b.marks = kept
}

// watch is the periodic task that tells of the backlog. Every worker tells the same of it.
type watch struct {
	backlog              backlog
	held                 *held
	since                atomic.Pointer[time.Time] // since when the oldest waits; nil where none does
	lag, pending, inWork prometheus.Gauge
}

func newWatch(r prometheus.Registerer, held *held) *watch {
	f := promauto.With(r)
	w := &watch{
		held: held,
		lag: f.NewGauge(prometheus.GaugeOpts{
			Name: "guichet_worker_lag_events", Help: "Events in the stream that no worker has processed: those that wait and those in work, of all workers.",
		}),
		pending: f.NewGauge(prometheus.GaugeOpts{
			Name: "guichet_worker_pending_events", Help: "Events in the stream that no worker has been given yet.",
		}),
		inWork: f.NewGauge(prometheus.GaugeOpts{
			Name: "guichet_worker_in_work_events", Help: "Events given to a worker and not answered yet, of all workers.",
		}),
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "guichet_worker_oldest_event_seconds",
		Help: "How long the oldest unprocessed event has waited: since it was received, if this worker holds it, else since this worker first saw it in the stream. " +
			"The largest of all workers is nearest to the truth.",
	}, w.age)
	return w
}

// age goes on growing while NATS is away.
func (w *watch) age() float64 {
	since := w.since.Load()
	if since == nil {
		return 0
	}
	return max(time.Since(*since), 0).Seconds()
}

// look takes in the consumer's state, which is all that the worker may ask about the stream.
func (w *watch) look(c *jetstream.ConsumerInfo, now time.Time) {
	inWork := uint64(max(c.NumAckPending, 0))
	w.lag.Set(float64(c.NumPending + inWork))
	w.pending.Set(float64(c.NumPending))
	w.inWork.Set(float64(inWork))
	floor, last := c.AckFloor.Stream, c.Delivered.Stream+c.NumPending
	if c.NumPending+inWork == 0 {
		floor = last
	}
	since := w.backlog.look(now, floor, last)
	if since.IsZero() {
		w.since.Store(nil)
		return
	}
	if oldest := w.held.oldest(); !oldest.IsZero() && oldest.Before(since) {
		since = oldest
	}
	w.since.Store(&since)
}

// watchBacklog is the task.
func (w *worker) watchBacklog(ctx context.Context) error {
	info, err := w.consumerInfo(ctx)
	if err != nil {
		return err
	}
	w.watch.look(info, time.Now())
	return nil
}
