package ingest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/stream"
)

func TestEnvelopeIsReadFromTheTopLevelOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       event
	}{
		{"an ordinary event", sample("evt_1"), event{id: "evt_1", kind: "checkout.session.completed", created: "1700000000", apiVersion: "2023-10-16"}},
		{"a live Connect event", `{"id":"evt_2","type":"a.b","created":1,"livemode":true,"account":"acct_1"}`,
			event{id: "evt_2", kind: "a.b", created: "1", livemode: true, account: "acct_1"}},
		{"a v2 event", `{"id":"evt_test_65","object":"v2.core.event","type":"v1.billing.meter.no_meter_found","created":"2024-09-17T06:20:52.246Z","livemode":false,"related_object":null}`,
			event{id: "evt_test_65", kind: "v1.billing.meter.no_meter_found", created: "2024-09-17T06:20:52.246Z"}},
		{"the inner fields come first", `{"data":{"object":{"id":"in","type":"in","account":"in","livemode":true}},"id":"evt_3","type":"a"}`, event{id: "evt_3", kind: "a"}},
		{"null fields", `{"id":"evt_4","type":"a","account":null,"api_version":null,"created":null,"livemode":null}`, event{id: "evt_4", kind: "a"}},
		{"an API version with a beta", `{"id":"evt_5","type":"a","api_version":"2022-08-01; orders_beta=v4"}`, event{id: "evt_5", kind: "a", apiVersion: "2022-08-01; orders_beta=v4"}},
		{"an escaped id", `{"id":"evt_\u0036","type":"a"}`, event{id: "evt_6", kind: "a"}},
		{"white space around", " \r\n\t{\"id\":\"evt_7\",\"type\":\"a\"}\n", event{id: "evt_7", kind: "a"}},
		{"the longest id", `{"id":"` + strings.Repeat("e", 255) + `","type":"a"}`, event{id: strings.Repeat("e", 255), kind: "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := readEnvelope([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if string(got.body) != tt.body {
				t.Errorf("body = %q", got.body)
			}
			got.body = nil
			if got.id != tt.want.id || got.kind != tt.want.kind || got.created != tt.want.created ||
				got.apiVersion != tt.want.apiVersion || got.account != tt.want.account || got.livemode != tt.want.livemode {
				t.Errorf("envelope = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestWhatIsNoEventIsRefusedInASentence(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"nothing", "", "not a JSON object"},
		{"text", "hello", "not a JSON object"},
		{"cut short", `{"id":"evt_1","type":"a"`, "not a JSON object"},
		{"two objects", `{"id":"evt_1","type":"a"}{}`, "not a JSON object"},
		{"an array", `[{"id":"evt_1","type":"a"}]`, "not a JSON object"},
		{"a string", `"{}"`, "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"an empty object", "{}", "no id or no type"},
		{"no id", `{"type":"a"}`, "no id or no type"},
		{"no type", `{"id":"evt_1"}`, "no id or no type"},
		{"an empty id", `{"id":"","type":"a"}`, "no id or no type"},
		{"a numeric id", `{"id":1,"type":"a"}`, "no id or no type"},
		{"a null type", `{"id":"evt_1","type":null}`, "no id or no type"},
		{"an object for a type", `{"id":"evt_1","type":{"id":"x"}}`, "no id or no type"},
		{"a line break in the id", `{"id":"evt_1\r\nX-Evil: 1","type":"a"}`, "event's id is not printable"},
		{"a NUL in the type", `{"id":"evt_1","type":"a\u0000b"}`, "event's type is not printable"},
		{"a line break in the account", `{"id":"evt_1","type":"a","account":"acct\nx"}`, "event's account is not printable"},
		{"a line break in the version", `{"id":"evt_1","type":"a","api_version":"2023\n"}`, "event's api_version is not printable"},
		{"a line break in created", `{"id":"evt_1","type":"a","created":"2024\r\n"}`, "event's created is not printable"},
		{"an id beyond ASCII", `{"id":"évt","type":"a"}`, "event's id is not printable"},
		{"bad UTF-8 in the id", "{\"id\":\"\xff\",\"type\":\"a\"}", "event's id is not printable"},
		{"a space before the id", `{"id":" evt_1","type":"a"}`, "event's id is not printable"},
		{"an endless id", `{"id":"` + strings.Repeat("e", 256) + `","type":"a"}`, "longer than 255"},
		{"an endless number", `{"id":"evt_1","type":"a","created":` + strings.Repeat("1", 256) + `}`, "longer than 255"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := readEnvelope([]byte(tt.body)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one that says %q", err, tt.want)
			}
		})
	}
}

func TestMessageLeavesOutWhatTheEventDoesNotSay(t *testing.T) {
	t.Parallel()
	m := event{id: "evt_1", kind: "a b.*", body: []byte("{}")}.message()
	for _, name := range []string{stream.HeaderAccount, stream.HeaderCreated, stream.HeaderAPIVersion} {
		if _, there := m.Header[name]; there {
			t.Errorf("header %s is there", name)
		}
	}
	if m.Subject != "stripe.events.a_b._" {
		t.Errorf("subject = %q", m.Subject)
	}
}

func TestHeadersAtTheirLongestKeepToTheirBound(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxFieldBytes)
	m := event{id: long, kind: long, created: long, apiVersion: long, account: long, receivedAt: stream.TimeFormat,
		traceparent: newTracer().traceparent("")}.message()
	size := 0
	for name, values := range m.Header {
		size += len(name) + len(values[0]) + len(": \r\n")
	}
	if size > maxHeaderFields {
		t.Errorf("headers take %d bytes, more than %d", size, maxHeaderFields)
	}
}

func TestTraceparentIsKeptOnlyWhenValid(t *testing.T) {
	t.Parallel()
	const valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	tracer := newTracer()
	if got := tracer.traceparent(valid); got != valid {
		t.Errorf("traceparent = %q, want the caller's", got)
	}
	for _, bad := range []string{
		"", "00", valid + "-x", strings.ToUpper(valid), "ff" + valid[2:], valid + "\r\nX: 1",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
	} {
		got := tracer.traceparent(bad)
		if got == bad || !tracer.valid(got) {
			t.Errorf("traceparent(%q) = %q, want a new valid one", bad, got)
		}
	}
}

// FuzzEnvelope holds the reader to encoding/json, and its fields to what a header can carry.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(sample("evt_1")))
	f.Add([]byte(`{"id":"evt_\u000a","type":"a"}`))
	f.Add([]byte(`{"id":"a","id":"b","type":{"type":"c"},"type":"d"}`))
	f.Add([]byte(`{"id":"a","type":"b","created":1e400,"account":[],"livemode":"true"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := readEnvelope(body)
		if err != nil {
			return
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(body, &object); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		var id, kind string
		if json.Unmarshal(object["id"], &id) != nil || json.Unmarshal(object["type"], &kind) != nil || id != e.id || kind != e.kind {
			t.Fatalf("read %q, %q of %s", e.id, e.kind, body)
		}
		for name, values := range e.message().Header {
			for _, v := range values {
				if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) || len(v) > maxFieldBytes {
					t.Fatalf("header %s: %q", name, v)
				}
			}
		}
	})
}
