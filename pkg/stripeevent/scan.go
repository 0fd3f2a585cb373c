package stripeevent

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"sync"
	"unsafe"

	"github.com/tidwall/gjson"
)

// maxMembers is how many members an event, its data and its object may have each. Stripe's have some sixty at the most. Each
// takes 32 bytes while a body is read, and a body of 1 MiB has room for two hundred thousand.
const maxMembers = 4096

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
// members that an event is read from. A check and a walk for each part took gjson more than twice as long.
//
// Its methods read what stands at a position and return the position behind it, or no.
type scan struct {
	body    []byte
	text    string // the same
	tooDeep int    // where; 0 is nowhere
	tooMany bool   // members
	parts   [elsewhere]members
	deepest part // that was begun
}

// no is the position behind what is no JSON.
const no = -1

// spare are scans that nobody reads any longer.
var spare = sync.Pool{New: func() any { return new(scan) }}

// readBody scans a body where it stands: copying it took a quarter of what decoding costs. What is kept of it must be
// copied, as str and text do, or all of the body is kept with it. The scan is to be released.
func readBody(body []byte) (s *scan, valid bool) {
	s = spare.Get().(*scan)
	s.body = body
	s.text = unsafe.String(unsafe.SliceData(body), len(body)) // #nosec G103 -- nobody writes while this package reads
	end := s.value(s.space(0), theEvent, 1)
	return s, end != no && s.space(end) == len(body)
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

func (s *scan) value(i int, p part, depth int) int {
	switch c := s.char(i); c {
	case '{', '[':
		if depth > MaxDepth {
			s.tooDeep = i
			return no
		}
		if c == '{' {
			return s.members(i+1, p, depth)
		}
		return s.items(i+1, depth)
	case '"':
		return s.string(i + 1)
	case 't':
		return s.word(i, "true")
	case 'f':
		return s.word(i, "false")
	case 'n':
		return s.word(i, "null")
	default:
		return s.number(i)
	}
}

func (s *scan) members(i int, p part, depth int) int {
	if i = s.space(i); s.char(i) == '}' {
		return i + 1
	}
	for {
		start := s.space(i)
		if s.char(start) != '"' {
			return no
		}
		plain := s.plain(start + 1)
		if i = s.string(plain); i == no {
			return no
		}
		key, below := "", elsewhere
		if p != elsewhere {
			if key = s.text[start+1 : plain]; i > plain+1 { // there is more of it, escaped
				key = gjson.Parse(s.text[start:i]).Str
			}
			below = s.below(p, key)
		}
		if i = s.space(i); s.char(i) != ':' {
			return no
		}
		start = s.space(i + 1)
		if i = s.value(start, below, depth+1); i == no {
			return no
		}
		if p != elsewhere {
			if s.tooMany = len(s.parts[p]) == maxMembers; s.tooMany {
				return no
			}
			s.parts[p] = append(s.parts[p], member{key, s.text[start:i]})
		}
		var ended bool
		if i, ended = s.further(i, '}'); ended {
			return i
		}
	}
}

// below returns what a member of a part is; of a key that comes twice the first counts.
func (s *scan) below(p part, key string) part {
	if p == s.deepest && (p == theEvent && key == "data" || p == theData && key == "object") {
		s.deepest++
		return s.deepest
	}
	return elsewhere
}

func (s *scan) items(i, depth int) int {
	if i = s.space(i); s.char(i) == ']' {
		return i + 1
	}
	for {
		if i = s.value(s.space(i), elsewhere, depth+1); i == no {
			return no
		}
		var ended bool
		if i, ended = s.further(i, ']'); ended {
			return i
		}
	}
}

// further reads the comma that another member or item follows, or what closes an object or a list: then it has ended, as it
// has where neither stands.
func (s *scan) further(i int, closing byte) (next int, ended bool) {
	i = s.space(i)
	switch s.char(i) {
	case ',':
		return i + 1, false
	case closing:
		return i + 1, true
	}
	return no, true
}

// string reads the rest of a text, after its first quotation mark.
func (s *scan) string(i int) int {
	for {
		i = s.plain(i)
		switch s.char(i) {
		case '"':
			return i + 1
		case '\\':
			if i = s.escaped(i + 1); i == no {
				return no
			}
		default:
			return no
		}
	}
}

// plain returns the next position that holds a quotation mark, a backslash, a control character, or the body's end. It
// looks at eight bytes at once: of those that are less than what is subtracted, the first is sure to borrow its highest bit.
func (s *scan) plain(i int) int {
	const each, highest = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s.body); i += 8 {
		eight := binary.LittleEndian.Uint64(s.body[i:])
		mark, backslash := eight^'"'*each, eight^'\\'*each
		if found := ((mark-each)&^mark | (backslash-each)&^backslash | (eight-' '*each)&^eight) & highest; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(s.body) && s.body[i] >= ' ' && s.body[i] != '"' && s.body[i] != '\\' {
		i++
	}
	return i
}

// escaped reads what follows a backslash.
func (s *scan) escaped(i int) int {
	switch s.char(i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		end := i + 5
		if end <= len(s.text) && strings.Trim(s.text[i+1:end], "0123456789abcdefABCDEF") == "" {
			return end
		}
	}
	return no
}

func (s *scan) number(i int) int {
	if s.char(i) == '-' {
		i++
	}
	if s.char(i) == '0' {
		i++
	} else if i = s.digits(i); i == no {
		return no
	}
	if s.char(i) == '.' {
		if i = s.digits(i + 1); i == no {
			return no
		}
	}
	if c := s.char(i); c == 'e' || c == 'E' {
		i++
		if c := s.char(i); c == '+' || c == '-' {
			i++
		}
		return s.digits(i)
	}
	return i
}

// digits reads one digit or more.
func (s *scan) digits(i int) int {
	start := i
	for '0' <= s.char(i) && s.char(i) <= '9' {
		i++
	}
	if i == start {
		return no
	}
	return i
}

func (s *scan) word(i int, word string) int {
	if strings.HasPrefix(s.text[i:], word) {
		return i + len(word)
	}
	return no
}

func (s *scan) space(i int) int {
	for i < len(s.body) && (s.body[i] == ' ' || s.body[i] == '\n' || s.body[i] == '\r' || s.body[i] == '\t') {
		i++
	}
	return i
}

// char is what stands at a position; 0, which no JSON holds outside of its texts, at the end.
func (s *scan) char(i int) byte {
	if i < len(s.body) {
		return s.body[i]
	}
	return 0
}
