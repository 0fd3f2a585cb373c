package stripeevent

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// spaced is an event spaced in a way that no encoder would reproduce.
const spaced = "{\n  \"id\": \"evt_1\" ,\"object\":\"event\",\n\t\"api_version\": \"2023-10-16\", \"created\": 1700000000,\n" +
	"  \"data\": {\"object\": {\"id\": \"cs_test_1\", \"id2\":1.50, \"type\":\"inner\"}},\n" +
	"  \"livemode\": false, \"pending_webhooks\": 1, \"type\": \"checkout.session.completed\"}\n"

func TestEnvelopeIsReadFromTheTopLevelOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       Envelope
	}{
		{"an ordinary event", spaced, Envelope{ID: "evt_1", Type: "checkout.session.completed", Created: "1700000000", APIVersion: "2023-10-16"}},
		{"a live Connect event", `{"id":"evt_2","type":"a.b","created":1,"livemode":true,"account":"acct_1"}`,
			Envelope{ID: "evt_2", Type: "a.b", Created: "1", Livemode: true, Account: "acct_1"}},
		{"a v2 event", `{"id":"evt_test_65","object":"v2.core.event","type":"v1.billing.meter.no_meter_found","created":"2024-09-17T06:20:52.246Z","livemode":false,"related_object":null}`,
			Envelope{ID: "evt_test_65", Type: "v1.billing.meter.no_meter_found", Created: "2024-09-17T06:20:52.246Z"}},
		{"the inner fields come first", `{"data":{"object":{"id":"in","type":"in","account":"in","livemode":true}},"id":"evt_3","type":"a"}`, Envelope{ID: "evt_3", Type: "a"}},
		{"null fields", `{"id":"evt_4","type":"a","account":null,"api_version":null,"created":null,"livemode":null}`, Envelope{ID: "evt_4", Type: "a"}},
		{"an API version with a beta", `{"id":"evt_5","type":"a","api_version":"2022-08-01; orders_beta=v4"}`, Envelope{ID: "evt_5", Type: "a", APIVersion: "2022-08-01; orders_beta=v4"}},
		{"an escaped id", `{"id":"evt_\u0036","type":"a"}`, Envelope{ID: "evt_6", Type: "a"}},
		{"white space around", " \r\n\t{\"id\":\"evt_7\",\"type\":\"a\"}\n", Envelope{ID: "evt_7", Type: "a"}},
		{"the longest id", `{"id":"` + strings.Repeat("e", 255) + `","type":"a"}`, Envelope{ID: strings.Repeat("e", 255), Type: "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadEnvelope([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
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
		{"a nest", `{"id":"evt_1","type":"a","data":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "deeper than 100 levels"},
		{"half a million levels", strings.Repeat(`{"a":`, 500_000), "deeper than 100 levels"},
		{"an endless number", `{"id":"evt_1","type":"a","created":` + strings.Repeat("1", 256) + `}`, "longer than 255"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := ReadEnvelope([]byte(tt.body)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one that says %q", err, tt.want)
			}
		})
	}
}

// firstMembers reads an object with encoding/json, which itself takes the last of two equal keys, and the name of a
// field in any case.
func firstMembers(body []byte) (map[string]json.RawMessage, error) {
	first := map[string]json.RawMessage{}
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil { // the brace
		return nil, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if _, known := first[key.(string)]; !known {
			first[key.(string)] = value
		}
	}
	return first, nil
}

// FuzzEnvelope holds the reader to encoding/json, and its fields to what a header can carry.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(spaced))
	f.Add([]byte(`{"id":"evt_\u000a","type":"a"}`))
	f.Add([]byte(`{"id":"a","id":"b","type":{"type":"c"},"type":"d"}`))
	f.Add([]byte(`{"id":"a","type":"b","created":1e400,"account":[],"livemode":"true"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ReadEnvelope(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatal("accepted what encoding/json refuses")
		}
		object, err := firstMembers(body)
		if err != nil {
			t.Fatal(err)
		}
		var id, kind string
		if json.Unmarshal(object["id"], &id) != nil || json.Unmarshal(object["type"], &kind) != nil || id != e.ID || kind != e.Type {
			t.Fatalf("read %q, %q of %s", e.ID, e.Type, body)
		}
		for _, v := range []string{e.ID, e.Type, e.Created, e.APIVersion, e.Account} {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) || len(v) > MaxField {
				t.Fatalf("no header can carry %q", v)
			}
		}
	})
}
