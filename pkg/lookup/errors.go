package lookup

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What a question can fail of. Every error but the caller's own, of a context that ended, is one of these.
var (
	// ErrUnavailable says that Stripe gives no answers for now: rate-limited, down, or out of reach. Other
	// questions would fare no better: they had better wait.
	ErrUnavailable = errors.New("no answer from Stripe for now")
	// ErrRefused says that Stripe does not accept the key, or that the key may not do this. A person must act.
	ErrRefused = errors.New("refused by Stripe")
	// ErrUnexpected says that Stripe's answer cannot be used. Other questions may do.
	ErrUnexpected = errors.New("unexpected answer from Stripe")
)

// Error is a question that failed. It never holds a key, an address or anything else of Stripe's answer but
// its codes.
type Error struct {
	Kind       error  // ErrUnavailable, ErrRefused or ErrUnexpected
	Question   string // what was asked for, in words
	Why        string // in words
	Status     int    // of HTTP; 0 where no answer came
	RequestID  string // by which Stripe's support and dashboard know it; may be empty
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	details := make([]string, 0, 2)
	if e.Status != 0 {
		details = append(details, fmt.Sprintf("HTTP %d", e.Status))
	}
	if e.RequestID != "" {
		details = append(details, e.RequestID)
	}
	text := "ask Stripe for " + e.Question + ": " + e.Kind.Error() + ": " + e.Why
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	return text
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }
