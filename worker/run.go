package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/admin"
	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stripeevent"
	"github.com/educareschool/guichet/pkg/tracing"
)

// Options are what a worker needs to run.
type Options struct {
	Settings Settings
	Log      *zap.Logger
	// Metrics is where the worker's metrics are registered and served from; nil means a registry of its own.
	Metrics *prometheus.Registry
	// Ready, if set, is called with the admin address once the worker consumes.
	Ready func(adminAddr string)
}

// worker is what runs; its store is there once the database answers.
type worker struct {
	log       *zap.Logger
	guide     guide
	settings  Settings
	filter    stripeevent.Filter
	metrics   *metrics
	registry  prometheus.Registerer
	tracer    *tracing.Tracer // nil while traces are off
	held      *held
	watch     *watch
	nats      *nats.Conn
	js        jetstream.JetStream
	store     *store.Store
	stored    atomic.Bool           // store is set
	waitsFor  atomic.Pointer[error] // why it is not
	consuming atomic.Bool
	mailed    chan struct{} // wakes the outbox
	unlinked  chan struct{} // wakes the questions to Stripe
	missed    chan struct{} // wakes the reconciling
	silence   silence
	lookup    *lookup.Client // nil without a key
}

// Run works until ctx ends; then it takes no more, finishes what it has, and returns nil. It waits for NATS
// and PostgreSQL at the start, and returns an error where waiting does not help.
func Run(ctx context.Context, o Options) (err error) {
	registry := o.Metrics
	if registry == nil {
		registry = prometheus.NewRegistry()
	}
	w := &worker{
		log: o.Log, guide: guide{o.Log}, settings: o.Settings, filter: o.Settings.Filter(), metrics: newMetrics(registry), registry: registry,
		held: newHeld(o.Log), mailed: make(chan struct{}, 1), unlinked: make(chan struct{}, 1), missed: make(chan struct{}, 1),
	}
	w.watch = newWatch(registry, w.held)
	closed := make(chan struct{})
	w.nats, err = stream.Connect(o.Settings.NATS.URL, "worker", o.Log, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	defer w.nats.Close()
	if w.js, err = jetstream.New(w.nats); err != nil {
		return fmt.Errorf("JetStream: %w", err)
	}
	if w.tracer, err = tracing.New(ctx, o.Settings.Tracing, "guichet-worker", o.Log); err != nil {
		return err
	}
	defer w.tracer.Close(ctx)
	if o.Settings.Lookup.Enabled() {
		w.lookup, err = lookup.New(o.Settings.Lookup, lookup.Options{Registerer: registry, LiveOnly: w.filter.LiveOnly})
		if err != nil {
			return err
		}
		defer w.lookup.Close()
	}
	mails, err := w.newOutbox() // a wrong template ends it before anything is waited for
	if err != nil {
		return err
	}
	if mails != nil {
		defer func() { _ = mails.sender.Close() }()
	}
	probes, err := admin.Listen(o.Settings.AdminAddr, registry,
		admin.Check{Name: "nats", Run: w.checkNATS}, admin.Check{Name: "postgresql", Run: w.checkStore})
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(probes.Serve)
	group.Go(func() error {
		defer func() { _ = probes.Close() }()
		return w.run(running, probes, mails, o.Ready)
	})
	group.Go(func() error { // NATS refuses for good who comes with a wrong password
		select {
		case <-closed:
			return fmt.Errorf("NATS closed the connection for good: %w", w.nats.LastError())
		case <-running.Done():
			return nil
		}
	})
	return group.Wait()
}

func (w *worker) run(ctx context.Context, probes *admin.Server, mails *outbox, ready func(string)) error {
	if err := w.openStore(ctx); err != nil || w.store == nil {
		return err
	}
	defer func() { _ = w.store.Close() }()

	// Work in hand outlives ctx, by the grace.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		probes.Drain()
		time.AfterFunc(w.settings.ShutdownGrace, cancel)
	})
	defer stop()

	streams, figures := newStreams(w.registry, w.js), newFigures(w.registry, w.store, w.settings.MetricsEvents)
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return w.consume(running, work) })
	group.Go(func() error { w.every(running, taskSweep, w.settings.SweepInterval, nil, w.sweep); return nil })
	group.Go(func() error { w.every(running, taskCleanup, w.settings.CleanupInterval, nil, w.cleanup); return nil })
	group.Go(func() error { w.every(running, taskWatch, watchInterval, nil, w.watchBacklog); return nil })
	group.Go(func() error { w.every(running, taskStreams, streamsInterval, nil, streams.look); return nil })
	group.Go(func() error { w.every(running, taskFigures, figuresInterval, nil, w.tellFigures(figures)); return nil })
	group.Go(func() error { w.every(running, taskSilence, silenceInterval, nil, w.watchSilence); return nil })
	if w.lookup != nil && w.settings.ReconcileInterval > 0 {
		if slices.Contains(w.settings.Accounts, "*") {
			w.log.Warn("STRIPE_ACCOUNTS=* names no connected account to ask for: what Stripe cannot deliver of theirs is not brought in")
		}
		group.Go(func() error {
			w.every(running, taskReconcile, w.settings.ReconcileInterval, w.missed, w.reconcile)
			return nil
		})
	}
	if w.lookup != nil {
		group.Go(func() error { w.every(running, taskAsk, askInterval, w.unlinked, w.ask); return nil })
	}
	if mails != nil {
		mails.store = w.store
		group.Go(func() error {
			w.every(running, taskMail, outboxInterval, w.mailed, func(ctx context.Context) error { return mails.send(ctx, work) })
			return nil
		})
	}
	w.log.Info("Worker started", zap.String("admin", probes.Addr()))
	if ready != nil {
		ready(probes.Addr())
	}
	err := group.Wait()
	w.log.Info("Worker stopped")
	return err
}

// newOutbox returns what sends mails, once it has a store; nil where they have nowhere to go.
func (w *worker) newOutbox() (*outbox, error) {
	if !w.settings.Mail.Enabled() {
		w.log.Warn("Mails stay in the outbox: neither SMTP_URL nor MAILBOX_DIR is set")
		return nil, nil
	}
	composer, err := mail.NewComposer(w.settings.Mail)
	if err != nil {
		return nil, err
	}
	sender, err := w.settings.Mail.Sender()
	if err != nil {
		return nil, err
	}
	return &outbox{
		log: w.log, settings: w.settings.Mail, composer: composer, sender: sender, metrics: w.metrics, tracer: w.tracer,
		limiter: mailLimiter(w.settings.MailRate),
	}, nil
}

// openStore waits for the database, and for the schema that `guichet setup` makes: it may be made after the worker's
// start. It leaves no store when ctx ends first.
func (w *worker) openStore(ctx context.Context) error {
	for try := 0; ; try++ {
		opened, err := store.Open(ctx, w.settings.Database.URL, w.settings.Store())
		switch {
		case err == nil:
			w.store = opened
			w.stored.Store(true)
			return nil
		case ctx.Err() != nil:
			return nil //nolint:nilerr // told to stop while waiting, which is no failure
		}
		w.waitsFor.Store(&err)
		w.log.Warn("Waiting for PostgreSQL", zap.Int("try", try+1), zap.Error(err))
		if !pause(ctx, backoff(try)) {
			return nil
		}
	}
}

func (w *worker) checkStore(ctx context.Context) error {
	if !w.stored.Load() {
		if why := w.waitsFor.Load(); why != nil {
			return *why
		}
		return errors.New("not reached yet")
	}
	return w.store.Ping(ctx)
}

func (w *worker) checkNATS(ctx context.Context) error {
	if !w.consuming.Load() {
		return errors.New("the stream's consumer was not reached yet")
	}
	_, err := w.consumerInfo(ctx)
	return err
}

func (w *worker) consumerInfo(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	consumer, err := w.js.Consumer(ctx, stream.Events, stream.Consumer)
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", stream.Consumer, err)
	}
	return consumer.CachedInfo(), nil
}
