package worker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

const (
	// figuresInterval is how often the database is asked for its figures, by one worker.
	figuresInterval = 30 * time.Second
	// figuresTimeout bounds one look, the count of registrations included: a database that is busy comes first.
	figuresTimeout = 10 * time.Second
	// countShare is how many times longer than counting the registrations took the pause after it is.
	countShare = 100
)

// figures tell what the database holds. One worker at a time reads and exports them, for as long as it lives:
// so they are all of one moment, and none of them is an old worker's.
type figures struct {
	store  *store.Store
	count  func(context.Context) (map[registration.Status]int64, error)
	events int // how many events' places are told of
	latest atomic.Pointer[told]

	registrations, held, capacity, remaining          *prometheus.Desc
	attention, attentionSince                         *prometheus.Desc
	risk, disputes, disputeDue                        *prometheus.Desc
	mails, mailsFailed, unlinked, due, overdue        *prometheus.Desc
	mailsSince, unlinkedSince, dueSince, overdueSince *prometheus.Desc
}

// told are the figures of one look.
type told struct {
	store.Figures
	registrations map[registration.Status]int64
	countAgain    time.Time
}

// riskDispute is the cause, beside flags, for which money is at risk.
const riskDispute = "dispute"

// riskCauses are why money is at risk. Unlinked disputes are among the disputes, and silence is about no payment.
func riskCauses() []string {
	causes := []string{riskDispute}
	for _, flag := range registration.Flags() {
		if flag != registration.UnlinkedDispute && flag != registration.Silence {
			causes = append(causes, string(flag))
		}
	}
	return causes
}

func newFigures(r prometheus.Registerer, s *store.Store, events int) *figures {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("guichet_"+name, help, labels, nil)
	}
	const since = " has waited; 0 where nothing waits."
	f := &figures{
		store: s, count: s.CountRegistrations, events: events,
		registrations:  desc("registrations", "Registrations by status.", "status"),
		held:           desc("event_seats_held", "Places held, of the fullest among the next and newest events (METRICS_EVENTS of them).", "event"),
		capacity:       desc("event_capacity", "Places that there are, of the same events; an unlimited one has none.", "event"),
		remaining:      desc("event_seats_remaining", "Places left, of the same events; an unlimited one has none.", "event"),
		attention:      desc("attention_open", "What waits for a person, neither cleared nor acknowledged, by flag.", "flag"),
		attentionSince: desc("attention_oldest_seconds", "How long the oldest open attention of a flag"+since, "flag"),
		risk:           desc("money_at_risk_minor_units", "Sum of the payments that open attention is about, and of the disputes that are not closed, in minor units of the currency. One payment may count under several causes.", "cause", "currency"),
		disputes:       desc("disputes_open", "Disputes that are not closed."),
		disputeDue:     desc("disputes_evidence_due_timestamp_seconds", "When the next open dispute wants its evidence, in Unix time; not there without one."),
		mails:          desc("outbox_pending_mails", "Mails that wait for their turn or another try."),
		mailsSince:     desc("outbox_oldest_seconds", "How long the oldest pending mail"+since),
		mailsFailed:    desc("outbox_failed_mails", "Mails given up, until somebody retries them."),
		unlinked:       desc("unlinked_facts", "Facts that wait for their registration."),
		unlinkedSince:  desc("unlinked_oldest_seconds", "How long the oldest fact without a registration"+since),
		due:            desc("due_registrations", "Registrations that the platform made or changed and that are not settled since."),
		dueSince:       desc("due_oldest_seconds", "How long the oldest due registration"+since),
		overdue:        desc("overdue_registrations", "Registrations whose deadline has passed and that cleanup has not ended."),
		overdueSince:   desc("overdue_oldest_seconds", "How long ago the oldest such deadline passed; 0 without one."),
	}
	r.MustRegister(f)
	return f
}

// lead reads the figures, again and again, as long as this worker is the one that does.
func (f *figures) lead(ctx context.Context, done func()) error {
	defer f.latest.Store(nil)
	for {
		if err := f.read(ctx); err != nil {
			return err
		}
		done()
		if !pause(ctx, figuresInterval) {
			return nil
		}
	}
}

// tellFigures is the task.
func (w *worker) tellFigures(f *figures) func(context.Context) error {
	return func(ctx context.Context) error {
		return w.alone(ctx, store.FiguresLock, func(ctx context.Context) error {
			return f.lead(ctx, func() { w.metrics.tasks.ran(taskFigures, nil) })
		})
	}
}

func (f *figures) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, figuresTimeout)
	defer cancel()
	var next told
	var err error
	if next.Figures, err = f.store.Figures(ctx, f.events); err != nil {
		return err
	}
	if before := f.latest.Load(); before != nil && time.Now().Before(before.countAgain) {
		next.registrations, next.countAgain = before.registrations, before.countAgain
	} else {
		started := time.Now()
		next.registrations, err = f.count(ctx)
		if err != nil && ctx.Err() == nil { // else there are too many to count in time: none are told
			return err
		}
		next.countAgain = time.Now().Add(countShare * time.Since(started))
	}
	f.latest.Store(&next)
	return nil
}

// Describe names the metrics.
func (f *figures) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		f.registrations, f.held, f.capacity, f.remaining, f.attention, f.attentionSince, f.risk, f.disputes, f.disputeDue,
		f.mails, f.mailsSince, f.mailsFailed, f.unlinked, f.unlinkedSince, f.due, f.dueSince, f.overdue, f.overdueSince,
	} {
		out <- d
	}
}

// Collect tells the latest figures, if they are this worker's to tell.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	latest := f.latest.Load()
	if latest == nil {
		return
	}
	now := time.Now()
	tell := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for status, n := range latest.registrations {
		tell(f.registrations, float64(n), string(status))
	}
	for _, e := range latest.Seats {
		tell(f.held, float64(e.Held), e.ID)
		if e.Capacity != nil {
			tell(f.capacity, float64(*e.Capacity), e.ID)
			tell(f.remaining, float64(*e.Capacity-e.Held), e.ID)
		}
	}
	f.tellAttention(latest.Attention, now, tell)
	f.tellMoney(latest, tell)
	for _, q := range []struct {
		queue        store.Queue
		count, since *prometheus.Desc
	}{
		{latest.Mails, f.mails, f.mailsSince},
		{latest.Unlinked, f.unlinked, f.unlinkedSince},
		{latest.Due, f.due, f.dueSince},
		{latest.Deadlines, f.overdue, f.overdueSince},
	} {
		tell(q.count, float64(q.queue.Count))
		tell(q.since, age(q.queue.Since, now))
	}
	tell(f.mailsFailed, float64(latest.MailsFailed))
}

type teller func(d *prometheus.Desc, value float64, labels ...string)

func (f *figures) tellAttention(open []store.OpenAttention, now time.Time, tell teller) {
	for _, flag := range registration.Flags() {
		var count int64
		var since *time.Time
		for _, a := range open {
			if a.Flag == flag {
				count += a.Count
				if since == nil || a.Since.Before(*since) {
					since = &a.Since
				}
			}
		}
		tell(f.attention, float64(count), string(flag))
		tell(f.attentionSince, age(since, now), string(flag))
	}
}

// tellMoney tells every cause in each currency that there is.
func (f *figures) tellMoney(latest *told, tell teller) {
	type key struct{ cause, currency string }
	sums, seen := map[key]int64{}, map[string]bool{} // currencies
	for _, a := range latest.Attention {
		if a.Flag != registration.UnlinkedDispute && a.Amount > 0 {
			sums[key{string(a.Flag), currency(a.Currency)}] += a.Amount
			seen[currency(a.Currency)] = true
		}
	}
	var disputes int64
	var due *time.Time
	for _, d := range latest.Disputes {
		disputes += d.Count
		sums[key{riskDispute, currency(d.Currency)}] += d.Amount
		seen[currency(d.Currency)] = true
		if d.DueBy != nil && (due == nil || d.DueBy.Before(*due)) {
			due = d.DueBy
		}
	}
	for c := range seen {
		for _, cause := range riskCauses() {
			tell(f.risk, float64(sums[key{cause, c}]), cause, c)
		}
	}
	tell(f.disputes, float64(disputes))
	if due != nil {
		tell(f.disputeDue, float64(due.Unix()))
	}
}

// currency bounds a label's values to what can be a currency's code.
func currency(code string) string {
	if len(code) != 3 {
		return "unknown"
	}
	for _, c := range code {
		if c < 'a' || c > 'z' {
			return "unknown"
		}
	}
	return code
}

func age(since *time.Time, now time.Time) float64 {
	if since == nil {
		return 0
	}
	return max(now.Sub(*since), 0).Seconds()
}
