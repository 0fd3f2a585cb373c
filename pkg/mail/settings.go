package mail

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"net/url"
	"strings"
	"time"
)

// registrationPlaceholder is what RETRY_URL holds in the place of a registration's id.
const registrationPlaceholder = "{registration}"

// Settings is what mails look like, who they come from and where they are handed over.
type Settings struct {
	URL         string        `env:"SMTP_URL" secret:"true" help:"smtp://user:password@host:port?tls=required|opportunistic|none (required, or none on this machine, when not said), or smtps://…"`
	From        string        `env:"MAIL_FROM" help:"who mails come from, such as Educare School <billets@example.org>; needed with SMTP_URL"`
	ReplyTo     string        `env:"MAIL_REPLY_TO" help:"where answers to mails go; without it mails do not invite any"`
	Admin       string        `env:"ADMIN_EMAIL" help:"who is told of disputes and of what needs a person's attention"`
	AdminLocale string        `env:"ADMIN_LOCALE" envDefault:"fr" help:"language of mails to the admin: fr or en"`
	Templates   string        `env:"MAIL_TEMPLATES" help:"folder whose templates replace the built-in ones of the same name"`
	RetryURL    string        `env:"RETRY_URL" help:"page to try a payment again; {registration} stands for the registration's id"`
	Mailbox     string        `env:"MAILBOX_DIR" help:"folder that gets mails as .eml files, instead of SMTP_URL"`
	Timeout     time.Duration `env:"SMTP_TIMEOUT" envDefault:"30s" help:"longest wait for each answer of the SMTP server; four times as long for its answer to a whole mail"`
}

// Validate names everything that is wrong, and never repeats SMTP_URL.
func (s Settings) Validate() error {
	var problems []error
	if s.URL != "" {
		_, err := ParseURL(s.URL)
		problems = append(problems, err)
		if s.Mailbox != "" {
			problems = append(problems, errors.New("SMTP_URL and MAILBOX_DIR are both set: keep one"))
		}
		if s.From == "" {
			problems = append(problems, errors.New("MAIL_FROM is not set: SMTP_URL needs a sender"))
		}
	}
	for _, a := range []struct{ name, value string }{{"MAIL_FROM", s.From}, {"MAIL_REPLY_TO", s.ReplyTo}, {"ADMIN_EMAIL", s.Admin}} {
		if _, err := mailbox(a.value); a.value != "" && err != nil {
			problems = append(problems, fmt.Errorf("%s is not a mail address such as Name <name@example.org>", a.name))
		}
	}
	if s.RetryURL != "" && s.RetryLink("reg-1") == "" {
		problems = append(problems, errors.New("RETRY_URL is not a web address such as https://example.org/inscriptions/{registration}/paiement"))
	}
	if s.Timeout <= 0 {
		problems = append(problems, errors.New("SMTP_TIMEOUT must be more than 0"))
	}
	return errors.Join(problems...)
}

// Enabled says whether mails have somewhere to go.
func (s Settings) Enabled() bool { return s.URL != "" || s.Mailbox != "" }

// RetryLink is where a registration's payment can be tried again; empty without RETRY_URL.
func (s Settings) RetryLink(registrationID string) string {
	escaped := strings.ReplaceAll(url.QueryEscape(registrationID), "+", "%20") // right in a path and in a query
	address := strings.ReplaceAll(s.RetryURL, registrationPlaceholder, escaped)
	if strings.ContainsAny(address, "{}") {
		return ""
	}
	return link(address, "https", "http")
}

// Sender opens what hands mails over: an SMTP server, which is first called when there is a mail to send,
// or a folder.
func (s Settings) Sender() (Sender, error) {
	switch {
	case s.URL != "":
		server, err := ParseURL(s.URL)
		if err != nil {
			return nil, err
		}
		return NewSMTP(server, SMTPOptions{Timeout: s.Timeout}), nil
	case s.Mailbox != "":
		return NewMailbox(s.Mailbox)
	}
	return nil, errors.New("neither SMTP_URL nor MAILBOX_DIR is set: mails have nowhere to go")
}

// mailbox reads an address with or without a name.
func mailbox(text string) (*netmail.Address, error) {
	a, err := netmail.ParseAddress(text)
	if err != nil {
		return nil, err
	}
	a.Name = line(addressName(a.Name), longestName)
	return a, addressFits(a.Address)
}
