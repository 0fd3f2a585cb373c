//go:build linux

package chaos

import (
	"bytes"

	"github.com/educareschool/guichet/pkg/simulate"
)

// discreet wants nothing in what the services printed that names a person or opens a door.
func (k *stack) discreet() {
	k.t.Helper()
	private := []string{
		oldSecret, newSecret, foreignSecret, personalName, "@participants.example.org", "admin@example.org",
		simulate.BuyerName, simulate.BuyerEmail, simulate.BuyerPhone, "rue de l'Exemple", "client_secret", `"data":`,
	}
	for _, s := range k.services() {
		text := s.output()
		for _, word := range private {
			if at := bytes.Index(text, []byte(word)); at >= 0 {
				k.t.Errorf("%s prints %q: …%s…", s.name, word, text[max(0, at-200):min(len(text), at+200)])
			}
		}
		if bytes.Contains(text, []byte("DATA RACE")) {
			k.t.Errorf("%s has a data race", s.name)
		}
	}
}
