package tracing

import "context"

// Flush sends what is recorded so far.
func (t *Tracer) Flush(ctx context.Context) { _ = t.provider.ForceFlush(ctx) }
