// The worker settles registrations from the stored Stripe events.
package main

import (
	"context"
	"os"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/processmetrics"
	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/worker"
)

func main() {
	var s worker.Settings
	os.Exit(service.Program{
		Name:     "worker",
		About:    "settles registrations from the stored Stripe events; run as many as you like",
		Settings: &s,
		Logging:  func() settings.Logging { return s.Logging },
		Admin:    func() string { return s.AdminAddr },
		Heap:     40 << 20,
		Run: func(ctx context.Context, log *zap.Logger) error {
			return worker.Run(ctx, worker.Options{Settings: s, Log: log, Metrics: processmetrics.NewRegistry()})
		},
	}.Main(os.Args[1:], os.Stdout, os.Stderr))
}
