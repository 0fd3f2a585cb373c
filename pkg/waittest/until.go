// Package waittest helps tests that wait for what another goroutine, program or server brings about.
package waittest

import (
	"errors"
	"testing"
	"time"
)

// Until waits until condition returns nil. Where that takes longer than patience the test fails, with what was waited for
// and the last error.
func Until(t testing.TB, patience time.Duration, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Holds is a condition for Until that has no more to tell than whether it holds.
func Holds(holds func() bool) func() error {
	return func() error {
		if !holds() {
			return errors.New("not in time")
		}
		return nil
	}
}
