package baseline

import (
	"context"
	"os"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// StoreOptions are the worker's defaults.
func StoreOptions(connections int) store.Options {
	return store.Options{
		Policy:              registration.Policy{FailedHold: 24 * time.Hour, PendingHold: 24 * time.Hour, ExpiryGrace: time.Hour},
		ActionRequiredDelay: 5 * time.Minute, MaxConnections: connections,
	}
}

// RunInline serves a handler without a stream: it settles each event in a transaction of its own, with the same
// statements as the worker, and then answers. Its pool is of a size that was measured best.
func RunInline(ctx context.Context) error {
	const connections = 16
	s, err := store.Open(ctx, os.Getenv(DatabaseVariable), StoreOptions(connections))
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	return serve(ctx, func(ctx context.Context, body []byte) error {
		event, err := stripeevent.Decode(body, stripeevent.Filter{})
		if err != nil {
			return err
		}
		_, err = s.Process(ctx, []store.Received{{Event: event, ReceivedAt: time.Now()}})
		return err
	})
}
