package ingest

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/settings"
)

// Program is the ingester as a process of its own, whose metrics go into the registry.
func Program(registry *prometheus.Registry) service.Program {
	var s Settings
	return service.Program{
		Name:     "ingester",
		About:    "receives Stripe's webhooks at POST " + Path + " and stores them in JetStream",
		Settings: &s,
		Logging:  func() settings.Logging { return s.Logging },
		Admin:    func() string { return s.AdminAddr },
		Heap:     24 << 20, // more gains less than it takes, see docs/performance.md
		Run: func(ctx context.Context, log *zap.Logger) error {
			return Run(ctx, Options{Settings: s, Log: log, Registry: registry})
		},
	}
}
