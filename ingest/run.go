// Package ingest is the ingester: it verifies Stripe's webhooks and stores them in JetStream, as they were
// signed. It answers 200 only for an event that is on disk; after anything else Stripe sends it again.
//
// A request flows through handler.go (the steps), signature.go, stripeevent.ReadEnvelope, publisher.go (join those
// of the same id, queue) and lane.go (store what waits together, by single.go or atomic.go as pace.go says; where
// that gains nothing, requests go by single.go at once) to the table of answers in answer.go.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/educareschool/guichet/pkg/admin"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/tracing"
)

// Limits of a connection, which slow or greedy clients meet. Keep-alive outlasts that of common proxies (Traefik: 90 s),
// so that it is the proxy which closes an idle connection.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 15 * time.Second // headers and body
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

// Options are what an ingester is made of.
type Options struct {
	Settings Settings
	Log      *zap.Logger
	// Registry takes the metrics and is served by the admin port; one ingester a registry.
	Registry *prometheus.Registry
	// Started, if set, is called once both addresses are listened on.
	Started func(Addresses)
}

// Addresses are those listened on, as host:port, with the real port where the setting's was 0.
type Addresses struct{ Public, Admin string }

// Run receives webhooks until ctx ends, then finishes what is in flight and returns nil. It starts without
// NATS too, unready, and answers 503 until that is there. It returns an error when the settings are wrong, an address
// is taken, NATS refuses the ingester for good, or a part fails; all parts have stopped then.
func Run(ctx context.Context, o Options) error {
	if err := o.Settings.Validate(); err != nil {
		return err
	}
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	announce(o.Log, s.handler.development)
	s.warnOfPayload(o.Settings.MaxBodyBytes)
	o.Log.Info("listening for webhooks", zap.String("listen", s.addresses().Public), zap.String("admin", s.addresses().Admin))
	if o.Started != nil {
		o.Started(s.addresses())
	}
	return s.run(ctx)
}

// announce says whether signatures are verified.
func announce(log *zap.Logger, development bool) {
	if !development {
		log.Info("STRIPE_WEBHOOK_SECRET found, webhook signature verification enabled")
		return
	}
	log.Warn("STRIPE_WEBHOOK_SECRET not found, webhook signature verification disabled")
	log.Warn("DEVELOPMENT MODE: anyone who reaches this address can forge payments; live-mode events are refused. " +
		"Set STRIPE_WEBHOOK_SECRET, and GUICHET_ENV=production so that this cannot start without it")
}

// parts are a running ingester's parts.
type parts struct {
	log       *zap.Logger
	delay     time.Duration // between not being ready and letting nothing in
	grace     time.Duration
	leaving   atomic.Bool // no connection is kept any longer
	nats      *nats.Conn
	closed    chan struct{} // when the NATS connection is closed for good
	publisher *publisher
	handler   *handler
	spans     *tracing.Tracer
	listener  net.Listener
	http      http.Server
	admin     *admin.Server
}

func open(ctx context.Context, o Options) (_ *parts, err error) {
	set := o.Settings
	secrets := set.secrets()
	m := newMetrics(o.Registry, len(secrets))
	s := &parts{log: o.Log, delay: set.DrainDelay, grace: set.ShutdownGrace, closed: make(chan struct{})}
	s.nats, err = stream.Connect(set.NATS.URL, "ingester", o.Log,
		nats.ClosedHandler(func(*nats.Conn) { close(s.closed) }),
		nats.FlusherTimeout(set.PublishTimeout)) // a server that reads no more counts as lost
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	defer func() {
		if err != nil {
			s.nats.Close()
			s.spans.Close(ctx)
		}
	}()
	if s.publisher, err = newPublisher(s.nats, set.PublishTimeout, o.Log, m); err != nil {
		return nil, err
	}
	if s.spans, err = tracing.New(ctx, set.Tracing, "guichet-ingester", o.Log); err != nil {
		return nil, err
	}
	s.handler = &handler{
		verifier:    verifier{secrets: secrets, tolerance: set.SignatureTolerance},
		development: len(secrets) == 0, maxBody: set.MaxBodyBytes, intake: intake{limit: maxIntake},
		publisher: s.publisher, tracer: stream.NewTracer(), spans: s.spans, answers: answerTerms(), log: o.Log, metrics: m,
	}
	s.http = http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout + set.PublishTimeout + headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          zap.NewStdLog(o.Log),
	}
	var listen net.ListenConfig
	if s.listener, err = listen.Listen(ctx, "tcp", set.ListenAddr); err != nil {
		return nil, fmt.Errorf("address %s: %w", set.ListenAddr, err)
	}
	if s.admin, err = admin.Listen(set.AdminAddr, o.Registry, s.publisher.checks()...); err != nil {
		_ = s.listener.Close()
		return nil, err
	}
	return s, nil
}

func (s *parts) addresses() Addresses {
	return Addresses{Public: s.listener.Addr().String(), Admin: s.admin.Addr()}
}

// warnOfPayload tells of a NATS server that takes less than the largest body and its headers.
func (s *parts) warnOfPayload(maxBody int64) {
	if takes, needs := s.nats.MaxPayload(), maxBody+stream.MaxHeaderBytes; s.nats.IsConnected() && takes < needs {
		s.log.Warn("the NATS server's max_payload is smaller than MAX_BODY_BYTES and headers: larger events will be answered 503",
			zap.Int64("max_payload", takes), zap.Int64("needed", needs))
	}
}

// run works until ctx ends or a part fails, then stops the parts in order.
func (s *parts) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	laneContext, stopLane := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLane()
	group.Go(func() error {
		s.publisher.run(laneContext)
		return nil
	})
	group.Go(func() error {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("webhook server: %w", err)
		}
		return nil
	})
	group.Go(s.admin.Serve)
	group.Go(func() error {
		select {
		case <-s.closed:
		case <-ctx.Done():
		}
		if ctx.Err() == nil { // else it is stop that closes it
			return fmt.Errorf("NATS closed the connection for good: %w", s.nats.LastError())
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		s.stop(context.WithoutCancel(ctx), stopLane)
		return nil
	})
	return group.Wait()
}

// serve hands a request to the handler. On the way out it asks for the connection's end, so that none is closed
// in the moment in which its client sends the next request on it.
func (s *parts) serve(w http.ResponseWriter, r *http.Request) {
	if s.leaving.Load() {
		w.Header().Set("Connection", "close")
	}
	s.handler.ServeHTTP(w, r)
}

// stop says that it is not ready and works on until load balancers had the time to notice; then it lets no new
// work in, finishes what is in flight, and closes the connections, within the grace.
func (s *parts) stop(ctx context.Context, stopLane context.CancelFunc) {
	s.admin.Drain()
	s.leaving.Store(true)
	if s.delay > 0 {
		s.log.Info("not ready any more, webhooks are still taken", zap.Duration("for", s.delay))
		time.Sleep(s.delay)
	}
	grace, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		s.log.Warn("requests still in flight after SHUTDOWN_GRACE were cut off; Stripe sends them again", zap.Error(err))
		_ = s.http.Close()
	}
	stopLane()
	if err := s.nats.Drain(); err != nil { // not connected just now
		s.nats.Close()
	}
	select {
	case <-s.closed:
	case <-grace.Done():
		s.nats.Close()
	}
	s.spans.Close(ctx)
	_ = s.admin.Close()
}
