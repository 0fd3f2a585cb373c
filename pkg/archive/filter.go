package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/stream"
)

// Filter picks stored events: those that meet all that is set.
type Filter struct {
	Since time.Time `json:"since,omitzero"` // stored at or after
	Until time.Time `json:"until,omitzero"` // stored before
	// From and To are stream sequences, both included; 0 is no bound.
	From uint64 `json:"from,omitempty"`
	To   uint64 `json:"to,omitempty"`
	// Types are event types, any of which fits; * stands for one part between dots, and a last > for all that follow.
	Types []string `json:"types,omitempty"`
	// IDs are event ids, any of which fits.
	IDs     []string `json:"ids,omitempty"`
	Account string   `json:"account,omitempty"`
	// Mentions are ids, such as a registration's, a session's or an intent's, each of which stands somewhere in the event.
	Mentions []string `json:"mentions,omitempty"`
	// MentionsAny are ids, one of which stands somewhere in the event.
	MentionsAny []string `json:"mentions_any,omitempty"`
}

// Validate says what no event can ever meet.
func (f Filter) Validate() error {
	switch {
	case !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until):
		return errors.New("the time since which events are wanted is not before the time until which they are")
	case f.From > 0 && f.To > 0 && f.From > f.To:
		return fmt.Errorf("the first sequence, %d, is after the last, %d", f.From, f.To)
	}
	for _, t := range f.Types {
		if t == "" || strings.ContainsAny(t, " \t\r\n") || strings.HasPrefix(t, ".") || strings.HasSuffix(t, ".") || strings.Contains(t, "..") {
			return fmt.Errorf("%q is no event type: it should look like charge.refunded or checkout.session.*", t)
		}
	}
	return nil
}

// subjects are those of the types; none stands for all.
func (f Filter) subjects(prefix string) []string {
	var out []string
	for _, t := range f.Types {
		parts := strings.Split(t, ".")
		for i, p := range parts {
			if p != "*" && (p != ">" || i < len(parts)-1) {
				parts[i] = stream.Token(p)
			}
		}
		out = append(out, prefix+strings.Join(parts, "."))
	}
	return out
}

// matcher returns what checks the conditions that the server does not.
func (f Filter) matcher() func(Message) bool {
	ids := make(map[string]bool, len(f.IDs))
	for _, id := range f.IDs {
		ids[id] = true
	}
	mentions, some := quoted(f.Mentions), quoted(f.MentionsAny)
	return func(m Message) bool {
		switch {
		case m.Sequence < f.From, !f.Since.IsZero() && m.Stored.Before(f.Since),
			len(ids) > 0 && !ids[m.EventID()], f.Account != "" && m.Header.Get(stream.HeaderAccount) != f.Account:
			return false
		}
		for _, id := range mentions {
			if !bytes.Contains(m.Body, id) {
				return false
			}
		}
		return len(some) == 0 || slices.ContainsFunc(some, func(id []byte) bool { return bytes.Contains(m.Body, id) })
	}
}

// quoted are ids as they stand in a body.
func quoted(ids []string) [][]byte {
	var out [][]byte
	for _, id := range ids {
		text, _ := json.Marshal(id) // a string always can
		out = append(out, text)
	}
	return out
}
