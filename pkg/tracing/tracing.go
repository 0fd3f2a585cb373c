// Package tracing records OpenTelemetry traces and sends them to a collector by OTLP over HTTP. It is off unless
// an endpoint is set; then a Tracer is nil and all that is called here returns at once, without an allocation.
//
// The SDK reads its other variables itself: OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER,
// OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_SCHEDULE_DELAY and so on.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/service"
)

const (
	// maxLinks holds one link for each event of the largest batch.
	maxLinks = 1024
	// flushTimeout bounds the sending of what is left at a stop.
	flushTimeout = 3 * time.Second
)

// Settings say where traces go.
type Settings struct {
	Endpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT" help:"where OpenTelemetry traces are sent by OTLP over HTTP, such as http://collector:4318; without it none are recorded"`
}

// Validate names an endpoint that is none.
func (s Settings) Validate() error {
	if s.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is not a URL such as http://collector:4318")
	}
	return nil
}

// Tracer starts spans; a nil one starts none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	root     context.Context // of every span: parents come by traceparent, as events do not come with a context
}

// New returns a tracer for a service, or nil where no endpoint is set. It does not wait for the collector: what
// cannot be sent is dropped, and that is logged.
func New(ctx context.Context, s Settings, name string, log *zap.Logger) (*Tracer, error) {
	if s.Endpoint == "" {
		return nil, nil
	}
	endpoint, err := url.JoinPath(s.Endpoint, "v1/traces")
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", name), attribute.String("service.version", service.Version())),
		resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("traces: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	limits := sdktrace.NewSpanLimits()
	limits.LinkCountLimit = max(limits.LinkCountLimit, maxLinks)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&candid{SpanExporter: exporter, log: log}), sdktrace.WithResource(about), sdktrace.WithRawSpanLimits(limits))
	log.Info("traces are recorded", zap.String("endpoint", hostOf(endpoint)))
	return &Tracer{provider, provider.Tracer("github.com/educareschool/guichet"), context.WithoutCancel(ctx)}, nil
}

// Close sends what is left, for a limited time.
func (t *Tracer) Close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what could not be sent is logged by the exporter
}

// candid is an exporter that logs its first failure in a row, and the end of the row. The SDK itself would
// tell a handler that is global to the process.
type candid struct {
	sdktrace.SpanExporter
	log     *zap.Logger
	failing atomic.Bool
}

// ExportSpans sends spans; those that fail are dropped.
func (c *candid) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	switch failed := err != nil; {
	case failed && !c.failing.Swap(true):
		c.log.Warn("Traces cannot be sent, they are dropped until they can", zap.Error(err))
	case !failed && c.failing.Swap(false):
		c.log.Info("Traces are sent again")
	}
	return nil //nolint:nilerr // it is logged, and the SDK would only tell its global handler
}

// hostOf leaves out what a URL may hold of a secret.
func hostOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}
