// Command ingester receives Stripe's webhooks and stores them in JetStream.
package main

import (
	"context"
	"os"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/processmetrics"
	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/settings"
)

func main() {
	var set ingest.Settings
	ingester := service.Program{
		Name:     "ingester",
		About:    "receives Stripe's webhooks at POST " + ingest.Path + " and stores them in JetStream",
		Settings: &set,
		Logging:  func() settings.Logging { return set.Logging },
		Admin:    func() string { return set.AdminAddr },
		Heap:     24 << 20,
		Run: func(ctx context.Context, log *zap.Logger) error {
			return ingest.Run(ctx, ingest.Options{Settings: set, Log: log, Registry: processmetrics.NewRegistry()})
		},
	}
	os.Exit(ingester.Main(os.Args[1:], os.Stdout, os.Stderr))
}
