package ingest

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"go.uber.org/zap"
)

// storeAtomically publishes events as one JetStream batch, which is synced once, and finishes every one of
// them. A batch is stored whole or not at all: one id that the stream already holds refuses it (10201), and so
// may its limits (10174, 10210, …). Whatever the reason, a time-out or a lost connection too, the
// same ids then go singly, where a duplicate is success: nothing is stored twice.
func (p *publisher) storeAtomically(ctx context.Context, events []*waiting) {
	if err := p.publishBatch(ctx, events); err != nil {
		p.log.Debug("atomic batch not stored, publishing its events singly", zap.Int("events", len(events)), zap.Error(err))
		p.metrics.batches[wayFallback].Inc()
		p.storeSingly(ctx, events)
		return
	}
	for _, w := range events {
		p.finish(w, false, nil)
	}
}

func (p *publisher) publishBatch(ctx context.Context, events []*waiting) error {
	ctx, cancel := context.WithTimeout(ctx, tryTime(p.timeout))
	defer cancel()
	p.setAbort(cancel)
	defer p.setAbort(nil)
	messages := make([]*nats.Msg, len(events))
	for i, w := range events {
		messages[i] = w.event.Message()
	}
	// The first message's own acknowledgement would only add a round trip.
	_, err := jetstreamext.PublishMsgBatch(ctx, p.js, messages, jetstreamext.BatchFlowControl{AckFirst: false})
	return err
}
