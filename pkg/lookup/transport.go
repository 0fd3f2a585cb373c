package lookup

import (
	"context"
	"io"
	"net/http"

	"github.com/stripe/stripe-go/v76"
)

// maxAnswer bounds what is read of one answer, in bytes; a hundred events of the largest that were seen, 52 kB,
// and the spaces that a list puts before their lines, are some 8 MB.
const maxAnswer = 16 << 20

// exchange is what is kept of an answer's head: of one whose body is not Stripe's, stripe-go tells neither
// the status nor the headers.
type exchange struct {
	status int
	header http.Header
}

type exchangeKey struct{}

// watched returns a context whose request notes its answer's head in the exchange.
func watched(ctx context.Context, e *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

// watcher notes exchanges and bounds answers.
type watcher struct{ next http.RoundTripper }

func (w watcher) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if e, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		e.status, e.header = res.StatusCode, res.Header
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = atOnce
	return t
}

// newBackend is stripe-go's, with nothing left to its package-wide defaults. It logs nothing, for it would log
// pieces of answers; it does not try again by itself, for its pauses cannot be interrupted.
func newBackend(s Settings, t *http.Transport) stripe.Backend {
	return stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(s.URL),
		HTTPClient: &http.Client{
			Transport: watcher{t}, Timeout: s.Timeout,
			// Stripe redirects nothing, and the key is for Stripe alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   stripe.Bool(false),
	})
}
