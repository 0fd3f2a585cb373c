package stream

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strings"
)

// Tracer recognises and makes traceparents, as in W3C Trace Context, version 00.
type Tracer struct{ form *regexp.Regexp }

// NewTracer returns a tracer; it is safe for concurrent use.
func NewTracer() Tracer {
	return Tracer{regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)}
}

// Traceparent returns the caller's if it is valid, else a new one: sampled, so that whoever traces keeps it.
func (t Tracer) Traceparent(incoming string) string {
	if t.Valid(incoming) {
		return incoming
	}
	var id [24]byte
	_, _ = rand.Read(id[:]) // it never fails
	id[0] |= 1              // neither id may be all zeros
	id[16] |= 1
	return "00-" + hex.EncodeToString(id[:16]) + "-" + hex.EncodeToString(id[16:]) + "-01"
}

// Valid says whether s is a traceparent that can be carried on.
func (t Tracer) Valid(s string) bool {
	if !t.form.MatchString(s) || strings.HasPrefix(s, "ff") {
		return false
	}
	return strings.Trim(s[3:35], "0") != "" && strings.Trim(s[36:52], "0") != ""
}
