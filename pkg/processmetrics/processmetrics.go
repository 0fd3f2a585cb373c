// Package processmetrics is what every program tells of itself. It is apart from pkg/service because Prometheus's
// collectors link database/sql, which the ingester's own package must not.
package processmetrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/educareschool/guichet/pkg/service"
)

// NewRegistry returns a registry of Go's run time, the process, and which release this is.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "guichet_build_info", Help: "Always 1; the labels name the release and the Go version it was built with.",
		ConstLabels: prometheus.Labels{"version": service.Version(), "goversion": runtime.Version()},
	})
	build.Set(1)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return registry
}
