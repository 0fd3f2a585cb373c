package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/admin"
	"github.com/educareschool/guichet/pkg/stream"
)

// failureMemory is how long a failed publish makes the ingester unready when none follows: a store that takes
// probes and no events shows, and traffic returns to try it again.
const failureMemory = 15 * time.Second

// checks are the readiness checks. They need no more than the ingester's own permissions.
func (p *publisher) checks() []admin.Check {
	return []admin.Check{
		{Name: "NATS connected", Run: p.checkConnection},
		{Name: "event stream answers", Run: p.checkStream},
		{Name: "events are stored", Run: p.checkOutcome},
	}
}

func (p *publisher) checkConnection(context.Context) error {
	if status := p.nc.Status(); status != nats.CONNECTED {
		return fmt.Errorf("the connection is %s", status)
	}
	return nil
}

// checkStream publishes a message that expects a stream of another name. The stream's leader must refuse it,
// so the answer shows that it is there, and nothing is stored.
func (p *publisher) checkStream(ctx context.Context) error {
	if !p.nc.IsConnected() {
		return nats.ErrDisconnected
	}
	probe := nats.NewMsg(stream.Subject("guichet.readiness"))
	probe.Header.Set(jetstream.ExpectedStreamHeader, "NONE_SUCH")
	answer, err := p.nc.RequestMsgWithContext(ctx, probe)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return errors.New("no stream takes stripe.events.>, or it has no leader: guichet setup makes it")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time: the stream is stuck, or this NATS user may not publish stripe.events.>")
	case err != nil:
		return err
	}
	var reply struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &reply); err != nil {
		return fmt.Errorf("the answer is not JetStream's: %w", err)
	}
	if reply.Error == nil {
		return errors.New("the stream took what it should have refused")
	}
	if reply.Error.ErrorCode != codeStreamMismatch {
		return reply.Error
	}
	return nil
}

func (p *publisher) checkOutcome(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.lastFailure; f.err != nil && time.Since(f.at) < failureMemory {
		return fmt.Errorf("the last event was not stored (%s): %w", failureOutcome(f.err), f.err)
	}
	return nil
}
