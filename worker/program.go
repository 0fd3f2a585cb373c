package worker

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/settings"
)

// Program is the worker as a process of its own, whose metrics go into the registry.
func Program(registry *prometheus.Registry) service.Program {
	var s Settings
	return service.Program{
		Name:     "worker",
		About:    "settles registrations from the stored Stripe events; run as many as you like",
		Settings: &s,
		Logging:  func() settings.Logging { return s.Logging },
		Admin:    func() string { return s.AdminAddr },
		Heap:     40 << 20, // more gains less than it takes, see docs/performance.md
		Run: func(ctx context.Context, log *zap.Logger) error {
			return Run(ctx, Options{Settings: s, Log: log, Metrics: registry})
		},
	}
}
