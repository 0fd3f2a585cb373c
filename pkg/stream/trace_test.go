package stream

import (
	"strings"
	"testing"
)

func TestTraceparent_IsKeptOnlyWhenValid(t *testing.T) {
	t.Parallel()
	const valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	tracer := NewTracer()
	if got := tracer.Traceparent(valid); got != valid {
		t.Errorf("traceparent = %q, want the caller's", got)
	}
	for _, bad := range []string{
		"", "00", valid + "-x", strings.ToUpper(valid), "ff" + valid[2:], valid + "\r\nX: 1",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
	} {
		got := tracer.Traceparent(bad)
		if got == bad || !tracer.Valid(got) {
			t.Errorf("traceparent(%q) = %q, want a new valid one", bad, got)
		}
	}
}
