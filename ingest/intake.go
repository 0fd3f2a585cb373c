package ingest

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// maxIntake bounds the memory of all bodies that are being read or worked on at once, in bytes: 64 of the largest, or
// thousands of Stripe's. What is announced takes no room, only what came: who announces much and sends little keeps
// nobody out.
const maxIntake = 64 << 20

// firstRead is the memory that a body begins with; it doubles as the body comes.
const firstRead = 4 << 10

// errIntakeFull is that the bodies of other requests take all the room there is.
var errIntakeFull = errors.New("too many bodies are being read")

// intake is the room that bodies take together.
type intake struct {
	limit int64
	taken atomic.Int64
}

// share is one request's room.
type share struct {
	in   *intake
	took int64
}

// read reads all there is, of which so many bytes are expected; less than 0 is not known.
func (s *share) read(from io.Reader, expected int64) ([]byte, error) {
	var content []byte
	for {
		if len(content) == cap(content) {
			larger := max(2*int64(cap(content)), firstRead)
			if expected >= int64(len(content)) {
				larger = min(larger, expected+1) // the end is noticed by reading on
			}
			if s.in.taken.Add(larger) > s.in.limit {
				s.in.taken.Add(-larger)
				return nil, errIntakeFull
			}
			s.in.taken.Add(-int64(cap(content)))
			s.took += larger - int64(cap(content))
			content = append(make([]byte, 0, larger), content...)
		}
		n, err := from.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		if errors.Is(err, io.EOF) {
			return content, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// release gives the room back.
func (s *share) release() { s.in.taken.Add(-s.took) }

// readBody reads a body up to the limit, and does not begin where the request announces more. The caller calls done
// when it needs the body no longer.
func (h *handler) readBody(w http.ResponseWriter, r *http.Request) (content []byte, done func(), bad *refusal) {
	if r.ContentLength > h.maxBody {
		w.Header().Set("Connection", "close") // else net/http reads on to keep the connection
		return nil, func() {}, refuse(bodyTooLarge, "")
	}
	room := &share{in: &h.intake}
	content, err := room.read(http.MaxBytesReader(w, r.Body, h.maxBody), r.ContentLength)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		bad = refuse(bodyTooLarge, "")
	case errors.Is(err, errIntakeFull):
		w.Header().Set("Connection", "close")
		bad = refuse(busy, "")
	case err != nil:
		bad = refuse(bodyCutShort, "")
	}
	return content, room.release, bad
}
