package ingest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/educareschool/guichet/pkg/localnats"
)

// The benchmarks post 2.8 kB events over 256 connections; client, server and store share the machine. The bare
// handler verifies and stores nothing: it is the ceiling of the others.

func BenchmarkBareVerify(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = webhook.ValidatePayload(body, r.Header.Get("Stripe-Signature"), testSecret)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer s.Close()
	postAll(b, s.URL)
}

func BenchmarkIngest(b *testing.B) {
	for name, lazy := range map[string]bool{"synced": false, "lazy": true} {
		b.Run(name, func(b *testing.B) {
			s := startNATS(b, localnats.Options{Lazy: lazy})
			_, js := dial(b, s.URL())
			makeStreams(b, js, wideStream())
			in := start(b, s.URL(), env{"LOG_LEVEL": "error"})
			postAll(b, in.url)
			for _, w := range []way{waySingle, wayAtomic, wayFallback} {
				b.ReportMetric(float64(metric(b, in.registry, "guichet_ingest_batches_total", string(w))), string(w))
			}
		})
	}
}

func postAll(b *testing.B, url string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	padding := strings.Repeat(" ", 2400)
	var number atomic.Int64
	b.SetParallelism(128)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			body := sample(fmt.Sprintf("evt_%d", number.Add(1))) + padding
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Stripe-Signature", sign(testSecret, time.Now(), body))
			res, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				b.Errorf("status %d", res.StatusCode)
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
