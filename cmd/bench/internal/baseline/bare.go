// Package baseline has what Guichet is compared with: the least that each task can be done with, and the plain
// way to do it. Each is a program of its own, as what it is compared with is.
package baseline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

// Settings of the handlers.
const (
	ListenVariable   = "LISTEN_ADDR"
	SecretVariable   = "STRIPE_WEBHOOK_SECRET" // #nosec G101 -- a name
	NATSVariable     = "NATS_URL"
	DatabaseVariable = "DATABASE_URL"
	WorkersVariable  = "GUICHET_BENCH_WORKERS"
)

// Names of the roles.
const (
	BareRole     = "bare-verify"
	SinglesRole  = "one-publish-a-request"
	InlineRole   = "inline-handler"
	OneByOneRole = "one-transaction-an-event"
)

// RunBare serves a handler that verifies and does nothing more: the ceiling of every ingester in Go.
func RunBare(ctx context.Context) error {
	return serve(ctx, func(context.Context, []byte) error { return nil })
}

// serve verifies webhooks as stripe-go's documentation shows, and answers what came of then.
func serve(ctx context.Context, then func(context.Context, []byte) error) error {
	secret := os.Getenv(SecretVariable)
	server := http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			const limit = 1 << 20
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
			if err == nil {
				err = webhook.ValidatePayload(body, r.Header.Get("Stripe-Signature"), secret)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			if err := then(r.Context(), body); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"received":true}`)
		}),
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", os.Getenv(ListenVariable))
	if err != nil {
		return fmt.Errorf("%s: %w", ListenVariable, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
