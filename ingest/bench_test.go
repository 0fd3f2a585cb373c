package ingest

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stripe/stripe-go/v76/webhook"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
)

// The benchmarks are about the event that confirms a payment.
func benchmarkEvent(now time.Time) simulate.Event {
	return simulate.New(rand.New(rand.NewPCG(1, 2)), func() time.Time { return now }).Payment("reg-00000001").Completed()
}

// BenchmarkReadEvent is everything that the ingester does with a request before it stores the event.
func BenchmarkReadEvent(b *testing.B) {
	now := time.Now()
	body := string(benchmarkEvent(now).Body)
	h := &handler{
		verifier: verifier{secrets: []string{testSecret}, tolerance: time.Hour}, maxBody: 1 << 20, intake: intake{limit: maxIntake}, tracer: stream.NewTracer(),
		answers: answerTerms(), log: zap.NewNop(), metrics: newMetrics(prometheus.NewRegistry(), 1),
	}
	signature := sign(testSecret, now, body)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, Path, strings.NewReader(body))
		r.Header.Set(signatureHeader, signature)
		_, done, bad := h.read(httptest.NewRecorder(), r)
		if bad != nil {
			b.Fatal(bad.outcome)
		}
		done()
	}
}

// BenchmarkHMAC is the least that verifying costs: the signature alone, as stripe-go computes it.
func BenchmarkHMAC(b *testing.B) {
	now := time.Now()
	body := benchmarkEvent(now).Body
	b.ReportAllocs()
	for b.Loop() {
		webhook.ComputeSignature(now, body, testSecret)
	}
}
