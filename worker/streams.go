package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/educareschool/guichet/pkg/stream"
)

const (
	// streamsInterval is how often the streams' sizes are asked for.
	streamsInterval = 30 * time.Second
	// refusedPause is how long they are not asked for after NATS has refused: the server logs every refusal.
	refusedPause = 10 * time.Minute
	// streamTimeout bounds a question; NATS does not answer one that the user may not ask.
	streamTimeout = 2 * time.Second
)

// streams is the periodic task that tells how full the streams are. That needs the right to ask for
// STREAM.INFO, which reads sizes and configuration, and no message. Without it nothing is told: an upgrade of
// the workers must not wait for one of NATS.
type streams struct {
	js                     jetstream.JetStream
	messages, bytes, limit *prometheus.GaugeVec
	quietUntil             time.Time
}

func newStreams(r prometheus.Registerer, js jetstream.JetStream) *streams {
	f := promauto.With(r)
	return &streams{
		js: js,
		messages: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "guichet_worker_stream_messages", Help: "Messages that a stream holds, processed ones included.",
		}, []string{"stream"}),
		bytes: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "guichet_worker_stream_bytes", Help: "Bytes that a stream holds.",
		}, []string{"stream"}),
		limit: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "guichet_worker_stream_limit_bytes", Help: "Bytes that a stream may hold; when they are reached new events are refused, and Stripe retries.",
		}, []string{"stream"}),
	}
}

// errMayNotAsk is that this NATS user has no right to ask for STREAM.INFO.
var errMayNotAsk = errors.New("this NATS user may not ask how full the streams are: let it publish $JS.API.STREAM.INFO.<stream>")

func (s *streams) look(ctx context.Context) error {
	if time.Now().Before(s.quietUntil) {
		return errMayNotAsk
	}
	for _, name := range []string{stream.Events, stream.DeadLetters} {
		info, err := s.info(ctx, name)
		if err != nil {
			s.forget()
			if errors.Is(s.js.Conn().LastError(), nats.ErrPermissionViolation) {
				s.quietUntil = time.Now().Add(refusedPause)
				return errMayNotAsk
			}
			return fmt.Errorf("look at stream %s: %w", name, err)
		}
		s.messages.WithLabelValues(name).Set(float64(info.State.Msgs))
		s.bytes.WithLabelValues(name).Set(float64(info.State.Bytes))
		s.limit.WithLabelValues(name).Set(float64(info.Config.MaxBytes))
	}
	return nil
}

func (s *streams) info(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	found, err := s.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	return found.CachedInfo(), nil
}

// forget takes back what is not known any longer.
func (s *streams) forget() {
	for _, g := range []*prometheus.GaugeVec{s.messages, s.bytes, s.limit} {
		g.Reset()
	}
}
