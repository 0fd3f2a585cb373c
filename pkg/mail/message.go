package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/educareschool/guichet/pkg/registration"
)

// Message is a finished mail: the same content, id and date give the same bytes, so that every try of a
// mail is the same mail.
type Message struct {
	ID   string
	Kind registration.MailKind
	// from and to are bare addresses, for the envelope.
	from, to string
	content  []byte
}

// Bytes returns the mail as it is handed over: RFC 5322, with CRLF.
func (m *Message) Bytes() []byte { return bytes.Clone(m.content) }

// Composer makes messages of contents. It is safe for concurrent use.
type Composer struct {
	renderer *Renderer
	from     *netmail.Address
	replyTo  *netmail.Address // nil without one
	admin    *netmail.Address // nil without one
	domain   string
}

// NewComposer reads the templates, and fails when one of them is wrong. The settings must be valid. Without
// MAIL_FROM, which only a mailbox goes without, mails come from guichet@localhost.
func NewComposer(s Settings) (*Composer, error) {
	c := &Composer{from: &netmail.Address{Name: "Guichet", Address: "guichet@localhost"}}
	for _, a := range []struct {
		name, value string
		into        **netmail.Address
	}{{"MAIL_FROM", s.From, &c.from}, {"MAIL_REPLY_TO", s.ReplyTo, &c.replyTo}, {"ADMIN_EMAIL", s.Admin, &c.admin}} {
		if a.value == "" {
			continue
		}
		address, err := mailbox(a.value)
		if err != nil {
			return nil, fmt.Errorf("%s is not a mail address", a.name)
		}
		*a.into = address
	}
	c.domain = c.from.Address[strings.LastIndexByte(c.from.Address, '@')+1:]
	sender := c.from.Name
	if sender == "" {
		sender = c.domain
	}
	var err error
	c.renderer, err = NewRenderer(s.Templates, Brand{Sender: sender, Replies: c.replyTo != nil})
	return c, err
}

// Compose writes the mail that a content asks for. The id, of letters, digits, '.', '_' and '-', names it
// for good: its Message-ID and its file come from it. A mail that nobody can be sent is refused with a
// *Failure: Permanent for a participant whose address is missing or wrong, Temporary while ADMIN_EMAIL is
// not set.
func (c *Composer) Compose(content Content, id string, at time.Time) (*Message, error) {
	if !plainID(id) {
		return nil, fmt.Errorf("compose: %q cannot name a mail", line(id, longestID))
	}
	to, err := c.recipient(content)
	if err != nil {
		return nil, err
	}
	rendered, err := c.renderer.Render(content)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", line(string(content.Kind), longestID), err)
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(c.from)
	m.ToMailAddress(to)
	if c.replyTo != nil {
		m.ReplyToMailAddress(c.replyTo)
	}
	m.SetMessageIDWithValue(id + "@" + c.domain)
	m.SetDateWithValue(at)
	m.Subject(rendered.Subject)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	m.SetGenHeader("X-Auto-Response-Suppress", "All")  // what Exchange heeds instead
	m.SetGenHeader("Content-Language", string(rendered.Language))
	m.SetBodyString(gomail.TypeTextPlain, rendered.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, rendered.HTML)
	m.SetBoundary(boundary(id, rendered))
	var out bytes.Buffer
	if _, err := m.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("write the mail: %w", err)
	}
	return &Message{ID: id, Kind: content.Kind, from: c.from.Address, to: to.Address, content: out.Bytes()}, nil
}

func (c *Composer) recipient(content Content) (*netmail.Address, error) {
	if content.Kind.ToAdmin() {
		if c.admin == nil {
			return nil, &Failure{Class: Temporary, Step: StepAddress, Reason: "ADMIN_EMAIL is not set"}
		}
		return c.admin, nil
	}
	bare := strings.TrimSpace(content.Email)
	if bare == "" {
		return nil, &Failure{Class: Permanent, Step: StepAddress, Reason: "the registration has no mail address"}
	}
	a, err := netmail.ParseAddress(bare)
	if err == nil {
		err = addressFits(a.Address)
	}
	if err != nil || a.Name != "" || strings.ContainsAny(bare, "<>()") { // an address alone: no name, no comment
		return nil, &Failure{Class: Permanent, Step: StepAddress, Reason: "the registration's mail address is not one"}
	}
	return &netmail.Address{Name: personName(addressName(content.Name)), Address: a.Address}, nil
}

// addressFits refuses what net/mail reads but SMTP cannot carry. The bound is RFC 5321's for a path.
func addressFits(address string) error {
	odd := strings.ContainsFunc(address, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == '<' || r == '>' })
	if len(address) > 254 || odd {
		return errors.New("not a mail address that SMTP can carry")
	}
	return nil
}

func plainID(id string) bool {
	for i, r := range id {
		if !letterOrDigit(r) && (i == 0 || i == len(id)-1 || !strings.ContainsRune("._-", r)) {
			return false
		}
	}
	return id != "" && len(id) <= 100 && !strings.Contains(id, "..")
}

// boundary cannot be met in the parts that it divides: it is made of them.
func boundary(id string, r Rendered) string {
	sum := sha256.Sum256([]byte(id + "\x00" + r.Text + "\x00" + r.HTML))
	return hex.EncodeToString(sum[:20])
}
