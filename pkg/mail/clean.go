package mail

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Longest texts of strangers that a mail repeats, in characters.
const (
	longestName    = 80
	longestTitle   = 150
	longestMessage = 500
	longestID      = 120
	longestSubject = 180
	longestURL     = 2000 // bytes
)

// line makes one bounded line of a text: no line breaks or other control characters, no invisible marks
// that turn the direction of writing, no run of spaces.
func line(text string, longest int) string {
	var b strings.Builder
	space, written := false, 0
	for _, r := range strings.ToValidUTF8(text, string(utf8.RuneError)) {
		switch {
		case r == ' ' || unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp):
			space = true
			continue
		case invisible(r):
			continue
		}
		if space && written > 0 {
			b.WriteByte(' ')
			written++
		}
		space = false
		if written >= longest {
			return strings.TrimRight(b.String(), " ") + "…"
		}
		b.WriteRune(r)
		written++
	}
	return b.String()
}

// invisible holds the format characters of Unicode but for the joiners, which emoji and some scripts need.
func invisible(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	return unicode.Is(unicode.Cf, r) && r != zeroWidthNonJoiner && r != zeroWidthJoiner
}

// personName returns a name fit for a greeting. A name that holds a link is none: registering a stranger's
// address under such a name would make Guichet's mails carry advertisements.
func personName(name string) string {
	clean := line(name, longestName)
	lower := strings.ToLower(clean)
	if strings.Contains(lower, "://") || strings.Contains(lower, "www.") {
		return ""
	}
	return clean
}

// addressName returns a name fit to stand before an address. No name needs a backslash, and net/mail writes one in a
// name beyond ASCII as nobody reads it.
func addressName(name string) string { return strings.ReplaceAll(name, `\`, "") }

// identifier returns a Stripe id, or nothing when it holds what no such id does.
func identifier(id string) string {
	for _, r := range id {
		if !letterOrDigit(r) && r != '_' {
			return ""
		}
	}
	if len(id) > longestID {
		return ""
	}
	return id
}

// letterOrDigit is about ASCII alone.
func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// link returns a web address in its normal form, or nothing when it is not an absolute one of the schemes.
func link(address string, schemes ...string) string {
	if len(address) > longestURL || strings.ContainsFunc(address, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`<>"'`, r)
	}) {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	for _, scheme := range schemes {
		if u.Scheme == scheme {
			return u.String()
		}
	}
	return ""
}
