package worker

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/stream"
)

// buryTimeout bounds the publishing of a dead letter.
const buryTimeout = 5 * time.Second

// maxReason bounds the reason kept with a dead letter.
const maxReason = 300

// bury stores an event with the dead letters and only then takes it out of delivery. Whoever dies between
// the two does it again: the message id makes the second time harmless.
func (w *worker) bury(ctx context.Context, m *message, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, buryTimeout)
	defer cancel()
	letter := nats.NewMsg(stream.DeadSubject(m.Subject()))
	letter.Data = m.Data()
	for name, values := range m.Headers() {
		if !strings.HasPrefix(name, "Nats-") { // JetStream's own headers mean something else here
			letter.Header[name] = values
		}
	}
	reason := oneLine(cause.Error(), maxReason)
	letter.Header.Set(stream.HeaderDeadReason, reason)
	letter.Header.Set(stream.HeaderDeadSequence, strconv.FormatUint(m.sequence, 10))
	letter.Header.Set(stream.HeaderDeadDeliveries, strconv.FormatUint(m.deliveries, 10))
	letter.Header.Set(stream.HeaderDeadAt, time.Now().UTC().Format(stream.TimeFormat))
	id := fmt.Sprintf("%s#%d", m.Headers().Get(stream.HeaderMsgID), m.sequence)
	if _, err := w.js.PublishMsg(ctx, letter, jetstream.WithMsgID(id), jetstream.WithExpectStream(stream.DeadLetters)); err != nil {
		_ = m.NakWithDelay(backoff(int(min(m.deliveries, 6)))) // #nosec G115 -- at most 6
		return fmt.Errorf("publish dead letter: %w", err)
	}
	w.metrics.deadLetters.Inc()
	w.metrics.event(m.Headers().Get(stream.HeaderEventType), eventDead)
	w.log.Error("Event moved to the dead letters", append(m.fields(), zap.String("reason", reason))...)
	return m.TermWithReason(reason)
}

// oneLine makes text fit for a header.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
