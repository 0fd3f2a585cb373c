package mail_test

import (
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/mail"
)

func TestAServerIsGreetedAndSentNoMail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		behaviour behaviour
		query     string
		want      string // of the error; none where it is empty
	}{
		"plain":              {behaviour{}, "", ""},
		"with a login":       {behaviour{auth: true}, "", ""},
		"without STARTTLS":   {behaviour{}, "?tls=required", "STARTTLS"},
		"a strange STARTTLS": {behaviour{tls: true}, "?tls=required", "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.behaviour)
			server, encrypted, err := mail.Settings{URL: s.url(test.query), Timeout: 10 * time.Second}.Greet(t.Context())
			switch {
			case test.want == "" && (err != nil || encrypted || !strings.HasPrefix(server, s.addr)):
				t.Errorf("%s %t, %v", server, encrypted, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %q", err, test.want)
			}
			if strings.Contains(server, password) || err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the password is told: %s %v", server, err)
			}
			if mails := s.mails(); len(mails) > 0 {
				t.Errorf("sent %d mails", len(mails))
			}
		})
	}
	if _, _, err := (mail.Settings{URL: "ftp://x"}).Greet(t.Context()); err == nil {
		t.Error("greeted a server that is none")
	}
}
