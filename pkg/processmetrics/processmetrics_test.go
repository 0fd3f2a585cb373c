package processmetrics_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/educareschool/guichet/pkg/processmetrics"
)

func TestAProgramTellsItsReleaseAndItsMemory(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"guichet_build_info", "go_goroutines", "process_start_time_seconds"} {
		if n, err := testutil.GatherAndCount(processmetrics.NewRegistry(), name); err != nil || n != 1 {
			t.Errorf("%s is told %d times (%v)", name, n, err)
		}
	}
}
