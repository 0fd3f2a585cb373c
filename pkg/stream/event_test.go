package stream

import (
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/stripeevent"
)

func TestEvent_MessageLeavesOutWhatTheEventDoesNotSay(t *testing.T) {
	t.Parallel()
	m := Event{Envelope: stripeevent.Envelope{ID: "evt_1", Type: "a b.*"}, Body: []byte("{}")}.Message()
	for _, name := range []string{HeaderAccount, HeaderCreated, HeaderAPIVersion} {
		if _, there := m.Header[name]; there {
			t.Errorf("header %s is there", name)
		}
	}
	if m.Subject != "stripe.events.a_b._" {
		t.Errorf("subject = %q", m.Subject)
	}
}

func TestEvent_HeadersAtTheirLongestKeepToTheirBound(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", stripeevent.MaxField)
	m := Event{
		Envelope:   stripeevent.Envelope{ID: long, Type: long, Created: long, APIVersion: long, Account: long},
		ReceivedAt: TimeFormat, Traceparent: NewTracer().Traceparent(""),
	}.Message()
	size := 0
	for name, values := range m.Header {
		size += len(name) + len(values[0]) + len(": \r\n")
	}
	if size > MaxHeaderBytes {
		t.Errorf("headers take %d bytes, more than %d", size, MaxHeaderBytes)
	}
}
