//go:build linux

// Package chaos holds every acknowledged event against faults: a hostile Stripe sends, a ledger keeps every
// answer, faults are injected into the built binaries, their NATS and their PostgreSQL, and a checker that
// shares nothing with the services then looks for what was lost or done twice.
//
// `make test` injects some faults once, on one stack; `make chaos` and `make chaos-long` inject all, each on a stack
// of its own, a few and many times (scale_test.go), and print a table.
package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// patience bounds every wait that is not itself measured; a machine may be slow, and the race detector makes it slower.
const patience = 3 * time.Minute

// binaries names the environment variable with the folder of the programs under test.
const binaries = "GUICHET_CHAOS_BIN"

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "guichet-chaos-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's user gets through
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// The services run under the race detector where there is a C compiler, whether the tests do or not.
	race := []string{"build", "-o", dir}
	if _, err := exec.LookPath("gcc"); err == nil {
		race = append(race, "-race")
	}
	for _, arguments := range [][]string{
		append(race, "github.com/educareschool/guichet/cmd/ingester", "github.com/educareschool/guichet/cmd/worker"),
		{"build", "-o", dir + "/ingester-plain", "github.com/educareschool/guichet/cmd/ingester"}, // as it is shipped
		{"build", "-o", dir, "github.com/educareschool/guichet/cmd/guichet", "github.com/nats-io/nats-server/v2"},
	} {
		if out, err := exec.Command("go", arguments...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
			return 1
		}
	}
	if err := os.Setenv(binaries, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// eventually waits for a condition, and returns how long it took.
func eventually(t testing.TB, what string, condition func() error) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		looked := time.Now()
		err := condition()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > patience {
			t.Fatalf("%s: %v", what, err)
		}
		pause(t, min(max(20*time.Millisecond, 4*time.Since(looked)), time.Second)) // looking must not slow down what is awaited
	}
}

// pause lets time pass, as part of a fault or between two looks; it ends with the test.
func pause(t testing.TB, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-timer.C:
	}
}
