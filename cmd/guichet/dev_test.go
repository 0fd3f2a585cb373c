package main

import (
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/lookup"
	"github.com/educareschool/guichet/worker"
)

func TestDev_PlaysCleanupsCasesOnlyWhereItsCleanupEndsThem(t *testing.T) {
	t.Parallel()
	good := worker.Settings{CleanupInterval: longestWait, FailedHold: time.Minute, ExpiryGrace: time.Second, Retention: time.Hour}
	if got, why := holds(good); got == nil || why != "" || got.Failed != time.Minute || got.ExpiryGrace != time.Second || got.PersonalData != time.Hour {
		t.Errorf("%+v, %q", got, why)
	}
	rare, asking := good, good
	rare.CleanupInterval = longestWait + 1
	asking.Lookup = lookup.Settings{Key: "sk_test_1"}
	for name, s := range map[string]worker.Settings{"CLEANUP_INTERVAL": rare, "STRIPE_API_KEY": asking} {
		if got, why := holds(s); got != nil || !strings.Contains(why, name) {
			t.Errorf("%s: %+v, %q", name, got, why)
		}
	}
}
