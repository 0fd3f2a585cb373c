package archive

import (
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/stream"
)

// FuzzFilter looks for filters that pass validation and make a subject that NATS would not take.
func FuzzFilter(f *testing.F) {
	f.Add("charge.refunded", "reg-1", "cs_1", uint64(1), uint64(2))
	f.Add("checkout.session.*", "'; DROP TABLE x", "<script>", uint64(0), uint64(0))
	f.Add("a.>", "", "", uint64(3), uint64(1))
	f.Add(">.a", "\x00", "\xff", uint64(0), ^uint64(0))
	f.Fuzz(func(t *testing.T, kind, registration, session string, from, to uint64) {
		filter := Filter{Types: []string{kind}, Mentions: []string{registration}, IDs: []string{session}, From: from, To: to}
		if filter.Validate() != nil {
			return
		}
		filter.matcher()(Message{Body: []byte(registration)})
		for _, subject := range filter.subjects(stream.SubjectPrefix) {
			if strings.ContainsAny(subject, " \t\r\n") || strings.Contains(subject, "..") || !strings.HasPrefix(subject, "stripe.events.") {
				t.Errorf("%q picks the subject %q", kind, subject)
			}
		}
	})
}
