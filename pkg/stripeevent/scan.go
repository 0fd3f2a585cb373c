package stripeevent

import (
	"strings"
	"sync"
	"unsafe"

	"github.com/tidwall/gjson"
)

// MaxDepth is how deep an event's objects and lists may nest. Stripe's go about ten deep. Reading JSON takes stack
// for each level, and a body of 1 MiB has room for half a million.
const MaxDepth = 100

// part is a part of an event; the members of all but the last are noted as the body is read.
type part int

const (
	theEvent  part = iota // the top level
	theData               // its member data
	theObject             // data.object
	elsewhere
)

// scan reads a body once, from the front: it checks that it is JSON (RFC 8259) and how deep it nests, and notes the
// members that an event is read from. A check and a walk for each part took gjson twice as long.
type scan struct {
	text    string
	at      int
	tooDeep bool
	parts   [elsewhere]members
	deepest part // that was begun
}

// spare are scans that nobody reads any longer.
var spare = sync.Pool{New: func() any { return new(scan) }}

// readBody scans a body where it stands: copying it took a quarter of what decoding costs. What is kept of it must be
// copied, as str and text do, or all of the body is kept with it. The scan is to be released.
func readBody(body []byte) (s *scan, valid bool) {
	s = spare.Get().(*scan)
	s.text = unsafe.String(unsafe.SliceData(body), len(body)) // #nosec G103 -- nobody writes while this package reads
	s.space()
	valid = s.value(theEvent, 1)
	s.space()
	return s, valid && s.at == len(s.text)
}

// usualMembers is more than any of Stripe's objects has; a list that had to grow beyond is not kept.
const usualMembers = 256

// release gives the scan back; what was got from it stays as it is.
func (s *scan) release() {
	for p, m := range s.parts {
		if cap(m) > usualMembers {
			m = nil
		}
		clear(m) // a body is not kept by them
		s.parts[p] = m[:0]
	}
	*s = scan{parts: s.parts}
	spare.Put(s)
}

// member is a member of an object, with its value as the body has it.
type member struct{ key, raw string }

type members []member

// Get returns what a path of keys leads to; of a key that comes twice the first counts.
func (m members) Get(path string) gjson.Result {
	key, rest, deeper := strings.Cut(path, ".")
	for i := range m {
		switch {
		case m[i].key != key:
		case deeper:
			return gjson.Get(m[i].raw, rest)
		default:
			return gjson.Parse(m[i].raw)
		}
	}
	return gjson.Result{}
}

// value reads what stands here, and says whether it is JSON.
func (s *scan) value(p part, depth int) bool {
	if s.at == len(s.text) {
		return false
	}
	switch s.text[s.at] {
	case '{', '[':
		if depth > MaxDepth {
			s.tooDeep = true
			return false
		}
		if s.take('{') {
			return s.members(p, depth)
		}
		s.at++
		return s.items(depth)
	case '"':
		s.at++
		return s.string()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *scan) members(p part, depth int) bool {
	if s.next('}') {
		return true
	}
	for {
		s.space()
		start := s.at
		if !s.take('"') || !s.string() {
			return false
		}
		key, below := "", elsewhere
		if p != elsewhere {
			key = s.key(start)
			below = s.below(p, key)
		}
		if !s.next(':') {
			return false
		}
		s.space()
		start = s.at
		if !s.value(below, depth+1) {
			return false
		}
		if p != elsewhere {
			s.parts[p] = append(s.parts[p], member{key, s.text[start:s.at]})
		}
		if s.next('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// key returns the text that starts there and ends here.
func (s *scan) key(start int) string {
	if key := s.text[start+1 : s.at-1]; strings.IndexByte(key, '\\') < 0 {
		return key
	}
	return gjson.Parse(s.text[start:s.at]).Str
}

// below returns what a member of a part is; of a key that comes twice the first counts.
func (s *scan) below(p part, key string) part {
	if p == s.deepest && (p == theEvent && key == "data" || p == theData && key == "object") {
		s.deepest++
		return s.deepest
	}
	return elsewhere
}

func (s *scan) items(depth int) bool {
	if s.next(']') {
		return true
	}
	for {
		s.space()
		if !s.value(elsewhere, depth+1) {
			return false
		}
		if s.next(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// string reads the rest of a text, after its first quotation mark.
func (s *scan) string() bool {
	text := s.text
	for i := s.at; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			s.at = i + 1
			return true
		case c < ' ':
			return false
		case c == '\\':
			i++
			if i == len(text) || strings.IndexByte(`"\/bfnrtu`, text[i]) < 0 {
				return false
			}
			if text[i] == 'u' {
				if i+4 >= len(text) || strings.Trim(text[i+1:i+5], "0123456789abcdefABCDEF") != "" {
					return false
				}
				i += 4
			}
		}
	}
	return false
}

func (s *scan) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		_ = s.take('+') || s.take('-')
		return s.digits()
	}
	return true
}

// digits reads one digit or more.
func (s *scan) digits() bool {
	i := s.at
	for i < len(s.text) && '0' <= s.text[i] && s.text[i] <= '9' {
		i++
	}
	some := i > s.at
	s.at = i
	return some
}

func (s *scan) word(word string) bool {
	there := strings.HasPrefix(s.text[s.at:], word)
	if there {
		s.at += len(word)
	}
	return there
}

func (s *scan) space() {
	i := s.at
	for i < len(s.text) && (s.text[i] == ' ' || s.text[i] == '\n' || s.text[i] == '\r' || s.text[i] == '\t') {
		i++
	}
	s.at = i
}

// take reads a character, if it stands here, and next if it is the next that is no space.
func (s *scan) take(c byte) bool {
	there := s.at < len(s.text) && s.text[s.at] == c
	if there {
		s.at++
	}
	return there
}

func (s *scan) next(c byte) bool {
	s.space()
	return s.take(c)
}
