package stripeevent

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// MaxField bounds each of an envelope's fields, in bytes; Stripe's ids have at most 255 characters.
const MaxField = 255

// Envelope is what an event says beside its object. Every string is printable ASCII without outer spaces, so it
// can neither end a header nor forge a log line.
type Envelope struct {
	ID, Type   string
	Created    string // as Stripe wrote it: Unix seconds, or RFC 3339 in a v2 event; empty if it said neither
	APIVersion string // empty in a v2 event
	Account    string // Connect events only
	Livemode   bool
}

// ReadEnvelope copies the top level of an event and nothing of its object; of a key that comes twice the first
// counts, as it does in Decode. The error says what is wrong in a sentence that repeats nothing of the body.
func ReadEnvelope(body []byte) (Envelope, error) {
	s, valid := readBody(body)
	defer s.release()
	switch {
	case s.tooDeep > 0:
		return Envelope{}, fmt.Errorf("the body nests deeper than %d levels", MaxDepth)
	case s.tooMany:
		return Envelope{}, fmt.Errorf("an object of the body has more than %d members", maxMembers)
	case !valid || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")):
		return Envelope{}, errors.New("the body is not a JSON object")
	}
	root := s.parts[theEvent]
	e := Envelope{
		ID: str(root.Get("id")), Type: str(root.Get("type")), APIVersion: str(root.Get("api_version")),
		Account: str(root.Get("account")), Livemode: root.Get("livemode").Bool(),
	}
	created := root.Get("created")
	if e.Created = str(created); created.Type == gjson.Number {
		e.Created = strings.Clone(created.Raw)
	}
	return e, e.check()
}

func (e Envelope) check() error {
	if e.ID == "" || e.Type == "" {
		return errors.New("the event has no id or no type, which must be non-empty strings")
	}
	for _, f := range []struct{ name, value string }{
		{"id", e.ID},
		{"type", e.Type},
		{"created", e.Created},
		{"api_version", e.APIVersion},
		{"account", e.Account},
	} {
		if len(f.value) > MaxField {
			return fmt.Errorf("the event's %s is longer than %d characters", f.name, MaxField)
		}
		if !printableASCII(f.value) || strings.TrimSpace(f.value) != f.value {
			return fmt.Errorf("the event's %s is not printable ASCII without outer spaces", f.name)
		}
	}
	return nil
}
