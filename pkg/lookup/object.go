package lookup

import (
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// maxID is the longest id that is taken; Stripe documents that its own never exceed 255 characters.
const maxID = 255

// longestAsked leaves room in maxID for what a fact's id has before a session's.
const longestAsked = maxID - len("lookup:processing:")

// askable says whether an id can be one of Stripe's; others would change the path that is asked for.
func askable(id string) bool {
	return len(id) <= longestAsked && isWord(id)
}

// isWord says whether s is letters, digits and underscores alone, as Stripe's ids and codes are.
func isWord(s string) bool {
	return s != "" && len(s) <= maxID && !strings.ContainsFunc(s, func(c rune) bool {
		return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
}

// expand asks for the object that a field names, instead of its id.
func expand(field string) url.Values { return url.Values{"expand[]": {field}} }

// idOf reads a reference that may be an id, an object that has one, or null.
func idOf(r gjson.Result) string {
	if r.IsObject() {
		r = r.Get("id")
	}
	if !askable(r.Str) {
		return ""
	}
	return r.Str
}

// registrationOf reads an object's metadata; empty where there is nothing that could be an id.
func registrationOf(r gjson.Result) string {
	id := r.Get("metadata.registrationId").Str
	if len(id) > maxID || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return ""
	}
	return id
}

// moment reads Unix seconds; zero where there are none that could be a time.
func moment(r gjson.Result) time.Time {
	const latest = 1 << 36 // the year 4147
	if r.Type != gjson.Number || r.Int() <= 0 || r.Int() >= latest {
		return time.Time{}
	}
	return time.Unix(r.Int(), 0).UTC()
}

// text reads a string as one bounded line.
func text(r gjson.Result, limit int) string {
	s := strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(r.Str, "�"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return strings.TrimSpace(s)
}
