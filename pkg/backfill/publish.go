package backfill

import (
	"context"
	"errors"
	"time"

	"github.com/educareschool/guichet/pkg/stream"
)

// publish stores events one after the other, so that they come in their order, and notes which.
func (b Backfill) publish(ctx context.Context, events []stream.Event, result *Result) error {
	if len(events) == 0 {
		return nil
	}
	tracer := stream.NewTracer()
	var done []string
	var failed error
	for _, e := range events {
		e.ReceivedAt = time.Now().UTC().Format(stream.TimeFormat)
		e.Traceparent = tracer.Traceparent("")
		duplicate, err := stream.Store(ctx, b.JS, e.Message())
		if err != nil {
			failed = err
			break
		}
		done = append(done, e.ID)
		if duplicate {
			result.Duplicates++
		} else {
			result.Published++
		}
	}
	if len(done) == 0 {
		return failed
	}
	return errors.Join(failed, b.Store.NoteBackfilled(ctx, done))
}
