package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
)

// Selection says which dead letters are meant: those that are named, of a type, or all of them.
type Selection struct {
	Names []string `json:"names,omitempty"` // each an event's id or a letter's sequence
	Types []string `json:"types,omitempty"` // as archive.Filter takes them
	All   bool     `json:"all,omitempty"`
}

// Reference is a dead letter without what it holds: there may be many.
type Reference struct {
	Sequence uint64 `json:"sequence"`
	EventID  string `json:"event"`
	Type     string `json:"type"`
	Reason   string `json:"reason"`
}

// ErrUnknown is that no dead letter has a name.
var ErrUnknown = errors.New("no dead letter")

// Validate says what a selection lacks, or has too much of.
func (s Selection) Validate() error {
	ways := 0
	for _, used := range []bool{len(s.Names) > 0, len(s.Types) > 0, s.All} {
		if used {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("name dead letters by their sequence or event, or choose --type, or --all")
	}
	return archive.Filter{Types: s.Types}.Validate()
}

// Select finds the dead letters that are meant, in their order. An event may have died more than once: its id
// stands for all of its letters. A name that stands for none is ErrUnknown.
func Select(ctx context.Context, js jetstream.JetStream, s Selection) ([]Reference, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	letters := archive.DeadLetters(js)
	var out []Reference
	var events []string
	for _, name := range s.Names {
		sequence, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			events = append(events, name)
			continue
		}
		m, err := letters.Get(ctx, sequence)
		if errors.Is(err, archive.ErrNotFound) {
			return nil, fmt.Errorf("%w has the sequence %d", ErrUnknown, sequence)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, refer(m))
	}
	if len(events) > 0 || len(s.Names) == 0 {
		err := letters.Scan(ctx, archive.Filter{Types: s.Types, IDs: events}, nil, func(m archive.Message) error {
			out = append(out, refer(m))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, id := range events {
		if !slices.ContainsFunc(out, func(r Reference) bool { return r.EventID == id }) {
			return nil, fmt.Errorf("%w is of the event %s", ErrUnknown, id)
		}
	}
	slices.SortFunc(out, func(a, b Reference) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return slices.CompactFunc(out, func(a, b Reference) bool { return a.Sequence == b.Sequence }), nil
}

func refer(m archive.Message) Reference {
	return Reference{m.Sequence, m.EventID(), m.EventType(), strings.Clone(Read(m).Reason)}
}
