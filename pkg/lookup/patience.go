package lookup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidwall/gjson"
)

const (
	// triesOfAPage is how often one page of a list is asked for.
	triesOfAPage = 6
	// firstPause doubles with each try: all of them take about half a minute, unless Stripe names a longer time.
	firstPause = time.Second
)

// patiently asks until there is an answer, with the pauses that Stripe wants or else growing ones. What another
// try does not change fails at once.
func (c *Client) patiently(ctx context.Context, ask func() (gjson.Result, error)) (gjson.Result, error) {
	for try := 0; ; try++ {
		answer, err := ask()
		if !errors.Is(err, ErrUnavailable) || try == triesOfAPage-1 {
			return answer, err
		}
		wait := firstPause << try
		wait = wait/2 + rand.N(wait/2) // #nosec G404 -- jitter
		var told *Error
		if errors.As(err, &told) {
			wait = max(wait, told.RetryAfter)
		}
		if err := c.pause(ctx, wait); err != nil {
			return answer, fmt.Errorf("wait for Stripe: %w", err)
		}
	}
}

// sleep waits, unless the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
