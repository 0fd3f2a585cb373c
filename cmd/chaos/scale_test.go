//go:build linux

package chaos

import (
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Environment variables that say how much is tried, and repeat a run.
const (
	scaleVariable = "GUICHET_CHAOS"      // empty, "short" or "long"
	seedVariable  = "GUICHET_CHAOS_SEED" // of a run to repeat
)

// scale is how much is tried.
type scale int

const (
	smoke scale = iota // with every other test: one of each fault, on one stack
	short              // make chaos: eight minutes at the most
	long               // make chaos-long
)

func scaleOf(t testing.TB) scale {
	t.Helper()
	switch name := os.Getenv(scaleVariable); name {
	case "":
		return smoke
	case "short":
		return short
	case "long":
		return long
	default:
		t.Fatalf("%s is %q: it must be short, long or empty", scaleVariable, name)
		return smoke
	}
}

// counts are how often a fault is injected in make chaos and in make chaos-long.
type counts struct{ short, long int }

func (c counts) at(s scale) int {
	if s == long {
		return c.long
	}
	return c.short
}

// seeded returns a source of randomness whose seed is printed, and is that of a run to repeat where one is given; a
// test that fails prints the whole command. What is sold, what Stripe says of it and where faults strike follow from
// the seed; how the programs race is theirs.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedVariable); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("repeat with %s=%d", seedVariable, seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s=%d %s=%s go test -count=1 -timeout 5h -v -run \"%s\" ./cmd/chaos",
				seedVariable, seed, scaleVariable, os.Getenv(scaleVariable), onlyThis(t.Name()))
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// onlyThis is the pattern for -run that picks one test.
func onlyThis(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}
