package stream

import (
	"strings"
	"testing"
)

func TestCheck_NamesWhatIsMissingOrDiffersAndChangesNothing(t *testing.T) {
	t.Parallel()
	js := jetStream(t)
	check := func(c Config) string {
		t.Helper()
		states, err := Check(t.Context(), js, c)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range states {
			switch {
			case s.Missing:
				out = append(out, s.Name+" missing")
			case s.Differs != "":
				out = append(out, s.Name+": "+s.Differs)
			}
		}
		return strings.Join(out, ", ")
	}
	if got := check(testConfig()); got != "stream STRIPE_EVENTS missing, stream STRIPE_DEAD_LETTERS missing, consumer worker missing" {
		t.Error(got)
	}
	setUp(t, js, testConfig())
	if got := check(testConfig()); got != "" {
		t.Error(got)
	}
	publish(t, js, "hello")
	other := testConfig()
	other.Replicas = 3
	consumer := ConsumerConfig()
	consumer.MaxAckPending = 5
	if _, err := js.UpdateConsumer(t.Context(), Events, consumer); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		want := "stream STRIPE_EVENTS: replicas 1 → 3, stream STRIPE_DEAD_LETTERS: replicas 1 → 3, consumer worker: max ack pending 5 → 20000"
		if got := check(other); got != want {
			t.Error(got)
		}
	}
	states, err := Check(t.Context(), js, testConfig())
	if err != nil || states[0].Bytes == 0 || states[0].MaxBytes != uint64(testConfig().MaxBytes) {
		t.Errorf("%+v, %v", states, err)
	}
}
