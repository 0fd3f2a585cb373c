package stripeevent

import "bytes"

// MaxDepth is how deep an event's objects and lists may nest. Stripe's go about ten deep. Reading JSON takes stack
// for each level, and a body of 1 MiB has room for half a million.
const MaxDepth = 100

// TooDeep says whether a body nests deeper than MaxDepth. It needs not be valid JSON.
func TooDeep(body []byte) bool {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= MaxDepth {
		return false // nearly every event: it does not open more
	}
	depth, text := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{', c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}', c == ']':
			depth = max(depth-1, 0) // more closing than opening ones make no room
		}
	}
	return false
}
