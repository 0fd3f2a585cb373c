// Package stripeevent reduces a Stripe event to the fact it tells. It reads only the fields it uses:
// whole typed decodes break on details that nobody needs.
package stripeevent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/educareschool/guichet/pkg/registration"
)

// maxID is the longest id that is taken; Stripe documents that its own never exceed 255 characters.
const maxID = 255

// maxText bounds free text kept of an event, such as the reason of a decline.
const maxText = 500

// Event is what Guichet keeps of a Stripe event.
type Event struct {
	ID, Type, APIVersion string
	Account              string // Connect only
	Livemode             bool
	Created              time.Time // zero where an ignored event has none
	// Registration is metadata.registrationId; empty where there is none that could be an id.
	Registration string
	// Fact is nil for an event that concerns no payment; Ignored says why.
	Fact    *registration.Fact
	Ignored string
}

// Filter says which events count.
type Filter struct {
	Accounts []string // Connect accounts to accept; "*" accepts all
	LiveOnly bool     // test-mode events are ignored
}

// ErrUndecodable is wrapped by every error of Decode: the event can never be used as it is.
var ErrUndecodable = errors.New("undecodable event")

// Decode reads a signed body, of which the event keeps nothing but copies. An event that is none of Guichet's
// business has no Fact and no error.
func Decode(body []byte, filter Filter) (Event, error) {
	s, valid := readBody(body)
	defer s.release()
	if !valid {
		return Event{}, fmt.Errorf("%w: not valid JSON, nested too deep, or of too many members", ErrUndecodable)
	}
	root, object := s.parts[theEvent], s.parts[theObject]
	e := Event{
		ID: str(root.Get("id")), Type: text(root.Get("type"), maxID), APIVersion: text(root.Get("api_version"), maxID),
		Account: text(root.Get("account"), maxID), Livemode: root.Get("livemode").Bool(),
	}
	if !usableID(e.ID) {
		return Event{}, fmt.Errorf("%w: its id is missing or no id", ErrUndecodable)
	}
	if e.Type == "" {
		return Event{}, fmt.Errorf("%w: it has no type", ErrUndecodable)
	}
	e.Created = created(root.Get("created"))
	read, handled := readers[e.Type]
	if e.Ignored = filter.reason(e, handled); e.Ignored != "" {
		return e, nil
	}
	if e.Created.IsZero() {
		return Event{}, fmt.Errorf("%w: created is missing or no time", ErrUndecodable)
	}
	if !s.parts[theData].Get("object").IsObject() {
		return Event{}, fmt.Errorf("%w: data.object is missing", ErrUndecodable)
	}
	fact, ignored, err := read(object)
	if err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	if ignored != "" {
		e.Ignored = ignored
		return e, nil
	}
	fact.ID, fact.Created, fact.Source = e.ID, e.Created, registration.FromStripe
	for _, id := range []string{fact.Session, fact.Intent, fact.Charge, fact.Dispute, fact.Refund} {
		if id != "" && !usableID(id) {
			return Event{}, fmt.Errorf("%w: an object's id is no id", ErrUndecodable)
		}
	}
	e.Fact = &fact
	if id := str(object.Get("metadata.registrationId")); usableID(id) {
		e.Registration = id
	}
	return e, nil
}

func (f Filter) reason(e Event, handled bool) string {
	switch {
	case !handled:
		return "type not handled"
	case e.Account != "" && !slices.Contains(f.Accounts, e.Account) && !slices.Contains(f.Accounts, "*"):
		return "account not in STRIPE_ACCOUNTS"
	case f.LiveOnly && !e.Livemode:
		return "test mode in production"
	}
	return ""
}

// created reads Unix seconds, or RFC 3339 as v2 events have it; zero where it is no time that can be stored.
func created(r gjson.Result) time.Time {
	const latest = 1 << 36 // the year 4147
	var t time.Time
	switch r.Type {
	case gjson.Number:
		t = time.Unix(r.Int(), 0)
	case gjson.String:
		t, _ = time.Parse(time.RFC3339, r.Str)
	}
	if t.Unix() <= 0 || t.Unix() >= latest {
		return time.Time{}
	}
	return t.UTC()
}

// usableID says whether s can be an id: not empty, not too long, and printable.
func usableID(s string) bool {
	return s != "" && len(s) <= maxID && (printableASCII(s) || utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl))
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// idOf reads a reference that may be an id, an object that has one, or null.
func idOf(r gjson.Result) string {
	if r.IsObject() {
		r = r.Get("id")
	}
	return str(r)
}

// str returns a copy of a string field; empty where it is none.
func str(r gjson.Result) string { return strings.Clone(r.Str) }

// text returns a copy of a string field as one bounded line of valid UTF-8.
func text(r gjson.Result, limit int) string {
	s := r.Str
	if !printableASCII(s) {
		s = strings.Map(func(c rune) rune {
			if unicode.IsControl(c) {
				return ' '
			}
			return c
		}, strings.ToValidUTF8(s, "�"))
	}
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return strings.Clone(strings.TrimSpace(s))
}
