package registration

import (
	"flag"
	"os"
	"testing"
)

// TestMain raises rapid's default of 100 checks a property; -rapid.checks and RAPID_CHECKS still decide.
func TestMain(m *testing.M) {
	if os.Getenv("RAPID_CHECKS") == "" {
		if err := flag.Set("rapid.checks", "2000"); err != nil {
			panic(err)
		}
	}
	m.Run()
}
