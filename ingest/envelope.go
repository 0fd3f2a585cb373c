package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// maxFieldBytes bounds what is copied from the envelope into headers; Stripe's ids have at most 255 characters.
const maxFieldBytes = 255

// event is a webhook as it is stored: the exact body, and of its envelope what the headers carry. Every
// string is printable ASCII without outer spaces, so it can neither end a header nor forge a log line.
type event struct {
	id, kind   string
	created    string // as Stripe wrote it: Unix seconds, or RFC 3339 in a v2 event; empty if it said neither
	apiVersion string // empty in a v2 event
	account    string // Connect events only
	livemode   bool
	body       []byte

	receivedAt  string
	traceparent string
}

// readEnvelope reads the top level of an event and nothing of its object; of a key that comes twice the first
// counts, as it does in the worker. The error says what is wrong in a
// sentence that repeats nothing of the body.
func readEnvelope(body []byte) (event, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) || !gjson.ValidBytes(body) {
		return event{}, errors.New("the body is not a JSON object")
	}
	e := event{body: body}
	seen := map[string]bool{}
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		if seen[key.Str] {
			return true
		}
		seen[key.Str] = true
		switch key.Str {
		case "id":
			e.id = value.Str
		case "type":
			e.kind = value.Str
		case "created":
			e.created = value.Str
			if value.Type == gjson.Number {
				e.created = value.Raw
			}
		case "api_version":
			e.apiVersion = value.Str
		case "account":
			e.account = value.Str
		case "livemode":
			e.livemode = value.Type == gjson.True
		}
		return true
	})
	return e, e.check()
}

func (e event) check() error {
	if e.id == "" || e.kind == "" {
		return errors.New("the event has no id or no type, which must be non-empty strings")
	}
	for _, f := range []struct{ name, value string }{
		{"id", e.id},
		{"type", e.kind},
		{"created", e.created},
		{"api_version", e.apiVersion},
		{"account", e.account},
	} {
		if len(f.value) > maxFieldBytes {
			return fmt.Errorf("the event's %s is longer than %d characters", f.name, maxFieldBytes)
		}
		unprintable := func(r rune) bool { return r < ' ' || r > '~' }
		if strings.ContainsFunc(f.value, unprintable) || strings.TrimSpace(f.value) != f.value {
			return fmt.Errorf("the event's %s is not printable ASCII without outer spaces", f.name)
		}
	}
	return nil
}
