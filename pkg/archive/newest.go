package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// firstWindow is how many sequences the first look for the newest messages spans; each further one spans
	// more, so that what is recent is found at once and what is rare in few looks.
	firstWindow  = 4096
	windowGrowth = 4
	widestWindow = 1 << 20
)

// Newest returns the newest messages that the filter picks, up to limit of them, oldest first. It looks from the
// end of the stream backwards, and no further than it must; its memory grows with limit alone. Seen, if not nil,
// is told how many sequences were looked at of how many there are.
func (a *Archive) Newest(ctx context.Context, f Filter, limit int, seen func(done, total uint64)) ([]Message, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	first, last, err := a.bounds(ctx, f)
	if err != nil || limit < 1 {
		return nil, err
	}
	var found []Message
	end, span := last, uint64(firstWindow)
	for end >= first && len(found) < limit {
		part := f
		part.To, part.From = end, max(first, end-min(end, span)+1)
		var told func(done, total uint64)
		if seen != nil {
			before := last - end
			told = func(done, _ uint64) { seen(before+done, last-first+1) }
		}
		newest := ring{limit: limit - len(found)}
		if err := a.Scan(ctx, part, told, newest.add); err != nil {
			return nil, err
		}
		found = append(newest.inOrder(), found...)
		end, span = part.From-1, min(span*windowGrowth, widestWindow)
	}
	return found, nil
}

// ring keeps the last of many messages.
type ring struct {
	limit int
	kept  []Message
	next  int // where the oldest of a full ring is
}

func (r *ring) add(m Message) error {
	if len(r.kept) < r.limit {
		r.kept = append(r.kept, m)
		return nil
	}
	r.kept[r.next] = m
	r.next = (r.next + 1) % r.limit
	return nil
}

func (r *ring) inOrder() []Message {
	return append(r.kept[r.next:len(r.kept):len(r.kept)], r.kept[:r.next]...)
}

// bounds returns the first and the last sequence that the filter can pick, by sequence and time; where there is
// none the first is after the last.
func (a *Archive) bounds(ctx context.Context, f Filter) (first, last uint64, err error) {
	s, err := a.stream(ctx)
	if err != nil {
		return 0, 0, err
	}
	state := s.CachedInfo().State
	first, last = max(state.FirstSeq, f.From, 1), state.LastSeq
	if f.To > 0 {
		last = min(last, f.To)
	}
	if state.Msgs == 0 {
		return 1, 0, nil
	}
	if !f.Since.IsZero() {
		from, err := a.firstAt(ctx, s, f.Since, first, last)
		if err != nil {
			return 0, 0, err
		}
		first = from
	}
	if !f.Until.IsZero() {
		end, err := a.firstAt(ctx, s, f.Until, first, last)
		if err != nil {
			return 0, 0, err
		}
		last = end - 1
	}
	return first, last, nil
}

// firstAt returns the sequence from which on messages were stored at or after a time, of those from low to
// high; the one after high where none was.
func (a *Archive) firstAt(ctx context.Context, s jetstream.Stream, at time.Time, low, high uint64) (uint64, error) {
	for low <= high {
		middle := low + (high-low)/2
		m, err := a.next(ctx, s, middle)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && !m.Stored.Before(at):
			if middle == 0 {
				return 0, nil
			}
			high = middle - 1
		case err != nil:
			return 0, err
		default:
			low = m.Sequence + 1
		}
	}
	return low, nil
}

// Next returns the first message of a sequence or of a later one, or ErrNotFound.
func (a *Archive) Next(ctx context.Context, sequence uint64) (Message, error) {
	s, err := a.stream(ctx)
	if err != nil {
		return Message{}, err
	}
	return a.next(ctx, s, sequence)
}

func (a *Archive) next(ctx context.Context, s jetstream.Stream, sequence uint64) (Message, error) {
	raw, err := s.GetMsg(ctx, max(sequence, 1), jetstream.WithGetMsgSubject(a.prefix+">"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Message{}, fmt.Errorf("%w: none from %d on in %s", ErrNotFound, sequence, a.name)
	}
	if err != nil {
		return Message{}, fmt.Errorf("read message %d of %s: %w", sequence, a.name, err)
	}
	return stored(raw), nil
}
