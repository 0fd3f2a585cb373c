package lookup_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Short names for what tests make most.
type Object = fakestripe.Object

var (
	with    = fakestripe.With
	session = fakestripe.Session
	intent  = fakestripe.Intent
	charge  = fakestripe.Charge
)

func names(registration string) Object { return Object{"registrationId": registration} }

func unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// patient are settings that no test runs into.
func patient(url string) lookup.Settings {
	return lookup.Settings{Key: fakestripe.Key, URL: url, Timeout: time.Minute, Rate: 100}
}

// client asks a fake Stripe, with settings and options changed.
func client(t *testing.T, s *fakestripe.Server, changes ...func(*lookup.Settings, *lookup.Options)) *lookup.Client {
	t.Helper()
	settings, options := patient(s.URL), lookup.Options{}
	for _, change := range changes {
		change(&settings, &options)
	}
	if err := settings.Validate(); err != nil {
		t.Fatal(err)
	}
	c, err := lookup.New(settings, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func at(c *clock) func(*lookup.Settings, *lookup.Options) {
	return func(_ *lookup.Settings, o *lookup.Options) { o.Now = c.Now }
}
