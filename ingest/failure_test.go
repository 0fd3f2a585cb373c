package ingest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

func TestFailuresOfEveryKindHaveTheirOutcome(t *testing.T) {
	t.Parallel()
	api := func(code jetstream.ErrorCode) error {
		return fmt.Errorf("nats: %w", &jetstream.APIError{Code: 503, ErrorCode: code})
	}
	tests := []struct {
		err   error
		want  outcome
		again bool
	}{
		{api(10077), storeFull, false},
		{api(10023), storeFull, false},
		{api(10047), storeFull, false},
		{api(10002), storeFull, false},
		{api(10054), storeTooSmall, false},
		{api(10158), storeRefused, true}, // never a success
		{api(10008), storeRefused, true},
		{api(10060), storeRefused, false},
		{jetstream.ErrNoStreamResponse, storeMissing, true},
		{jetstream.ErrAsyncPublishTimeout, storeTimeout, true},
		{context.DeadlineExceeded, storeTimeout, false},
		{errors.New("anything else"), storeRefused, false},
	}
	for _, tt := range tests {
		if got := failureOutcome(tt.err); got != tt.want {
			t.Errorf("failureOutcome(%v) = %s, want %s", tt.err, got, tt.want)
		}
		if got := worthAnotherTry(tt.err); got != tt.again {
			t.Errorf("worthAnotherTry(%v) = %t", tt.err, got)
		}
	}
}
