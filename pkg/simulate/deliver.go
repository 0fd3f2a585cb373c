package simulate

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

// SignatureHeader is the header that carries Sign's value.
const SignatureHeader = "Stripe-Signature"

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// Sign returns the signature header of a body as of a time: one signature for each secret, as while one is rolled.
func Sign(body []byte, at time.Time, secrets ...string) string {
	parts := []string{"t=" + strconv.FormatInt(at.Unix(), 10)}
	for _, secret := range secrets {
		parts = append(parts, "v1="+hex.EncodeToString(webhook.ComputeSignature(at, body, secret)))
	}
	return strings.Join(parts, ",")
}

// Post delivers an event, signed as of now, and returns the answer's status and body, whatever the status;
// an error means that there was no answer. Without a secret it sends no signature. Like Stripe, it follows
// no redirect.
func Post(ctx context.Context, client *http.Client, url, secret string, e Event) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(e.Body))
	if err != nil {
		return 0, nil, fmt.Errorf("deliver %s: %w", e.Type, err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
	if secret != "" {
		r.Header.Set(SignatureHeader, Sign(e.Body, time.Now(), secret))
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := direct.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("deliver %s: %w", e.Type, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return answer.StatusCode, body, fmt.Errorf("read the answer to %s: %w", e.Type, err)
	}
	return answer.StatusCode, body, nil
}
