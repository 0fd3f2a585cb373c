package mail_test

import (
	"bytes"
	netmail "net/mail"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
)

// FuzzSMTPURL looks for values of SMTP_URL that make reading it panic, or tell of the password.
func FuzzSMTPURL(f *testing.F) {
	for _, text := range []string{
		"smtp://user:corr3ct-h0rse@mail.example.org:587?tls=required", "smtps://u:p%40ss@[::1]", "smtp://h?tls=none&tls=none",
		"smtp://u:p@ss@h", "smtp://:@:99999", "smtp://h/#x", "mailto:a@b", "smtp://%zz",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		server, err := mail.ParseURL(text)
		shown := server.String()
		if err != nil {
			shown = err.Error()
		}
		u, parseErr := url.Parse(strings.TrimSpace(text))
		if parseErr != nil || u.User == nil {
			return
		}
		if password, _ := u.User.Password(); len(password) > 8 && !strings.Contains(u.Host, password) && strings.Contains(shown, password) &&
			!strings.Contains("SMTP_URL takes only ?tls=required, opportunistic or none: write special characters in user and password", password) {
			t.Errorf("%q is shown as %q", text, shown)
		}
	})
}

// headers are all that a mail of ours has.
var headers = []string{
	"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Reply-To", "Subject", "To",
	"X-Auto-Response-Suppress",
}

// FuzzCompose looks for texts of strangers that end a header, add one, or reach another recipient.
func FuzzCompose(f *testing.F) {
	f.Add("Ada Lovelace", "ada@example.org", "reg-1", "Gala", "Your card was declined.")
	f.Add("Ada\r\nBcc: all@example.org", "ada@example.org\r\nBcc: all@example.org", "reg\r\n\r\n<script>", "\r\n.\r\nMAIL FROM:<x>", "=?utf-8?q?=0D=0ABcc:_x?=")
	f.Add("\x00\xff\u202e", "\"a b\"@example.org", "'; DROP TABLE registrations; --", "<img src=x onerror=alert(1)>", "\u2028{{.Name}}")
	by, err := common()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, email, id, title, words string) {
		for _, kind := range []registration.MailKind{registration.MailPaymentConfirmed, registration.MailPaymentFailed, registration.MailAttention} {
			m, err := by.Compose(mail.Content{
				Kind: kind, Name: name, Email: email, RegistrationID: id, EventTitle: title, Message: words, Detail: words,
				Flag: registration.DoublePayment, Session: id, Intent: id, Charge: id,
			}, "1.2", time.Unix(1790000000, 0))
			if err != nil {
				continue // nobody to send it to
			}
			parsed, err := netmail.ReadMessage(bytes.NewReader(m.Bytes()))
			if err != nil {
				t.Fatalf("no mail: %v\n%q", err, m.Bytes())
			}
			for header, values := range parsed.Header {
				if !slices.Contains(headers, header) || len(values) != 1 {
					t.Errorf("%d headers %s", len(values), header)
				}
			}
			to, err := parsed.Header.AddressList("To")
			if err != nil || len(to) != 1 || kind.ToAdmin() && to[0].Address != "admin@example.org" {
				t.Errorf("to %v, %v", to, err)
			}
			// A line of one dot is doubled on its way (smtp_test.go); servers disagree on whether half a line end is one.
			if lines := bytes.ReplaceAll(m.Bytes(), []byte("\r\n"), nil); bytes.ContainsAny(lines, "\r\n") {
				t.Error("the mail has a CR or LF by itself, which smuggles another into SMTP's DATA")
			}
		}
	})
}
