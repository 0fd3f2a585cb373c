package mail

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail/smtp"
)

// Encryption is how a conversation with an SMTP server is kept private.
type Encryption string

// The encryptions. Whatever is encrypted is verified; the system's certificate authorities are trusted,
// or those of SSL_CERT_FILE.
const (
	TLSRequired      Encryption = "required"      // STARTTLS, or no mail
	TLSOpportunistic Encryption = "opportunistic" // STARTTLS where the server has it
	TLSNone          Encryption = "none"
	TLSImplicit      Encryption = "implicit" // smtps: TLS from the first byte
)

// Server is an SMTP server and how to speak to it. Printing it shows no user and no password.
type Server struct {
	host, port     string
	user, password string
	encryption     Encryption
}

// String names the server without its secrets.
func (s Server) String() string {
	return fmt.Sprintf("%s (TLS %s)", s.address(), s.encryption)
}

// GoString is String: no verb prints the password.
func (s Server) GoString() string { return s.String() }

func (s Server) address() string { return net.JoinHostPort(s.host, s.port) }

// Ports that RFC 6409 and RFC 8314 give to submission.
const (
	submissionPort  = "587"
	submissionsPort = "465"
)

// ParseURL reads SMTP_URL: smtp://user:password@host:port?tls=required|opportunistic|none, or smtps://….
// Without tls it is required, or none on a loopback address; without a port it is submission's. Its errors
// never repeat any part of the URL: where one is mistyped, the password may be in any of them.
func ParseURL(text string) (Server, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return Server{}, errors.New("SMTP_URL cannot be read as a URL: write special characters in user and password as %XX, such as %40 for @")
	}
	s := Server{host: u.Hostname(), port: u.Port(), user: u.User.Username()}
	s.password, _ = u.User.Password()
	switch {
	case u.Scheme != "smtp" && u.Scheme != "smtps":
		return Server{}, errors.New("SMTP_URL must begin with smtp:// or smtps://")
	case s.host == "":
		return Server{}, errors.New("SMTP_URL names no host")
	case u.Path != "" && u.Path != "/" || u.Fragment != "" || u.Opaque != "":
		return Server{}, errors.New("SMTP_URL has something after host and port: write special characters in user and password as %XX, such as %23 for #")
	case (s.user == "") != (s.password == ""):
		return Server{}, errors.New("SMTP_URL needs both a user and a password, or neither")
	}
	if n, err := strconv.Atoi(s.port); s.port != "" && (err != nil || n < 1 || n > 65535) {
		return Server{}, errors.New("SMTP_URL's port is not a number from 1 to 65535")
	}
	if err := s.encrypt(u); err != nil {
		return Server{}, err
	}
	if s.port == "" {
		s.port = submissionPort
		if s.encryption == TLSImplicit {
			s.port = submissionsPort
		}
	}
	return s, nil
}

func (s *Server) encrypt(u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if wanted, asked := query["tls"]; err != nil || len(query) > 1 || len(query) == 1 && !asked || len(wanted) > 1 {
		return errors.New("SMTP_URL takes only ?tls=required, opportunistic or none: write special characters in user and password as %XX, such as %3F for ?")
	}
	wanted := Encryption(query.Get("tls"))
	switch {
	case u.Scheme == "smtps" && (wanted == "" || wanted == TLSRequired):
		s.encryption = TLSImplicit
	case u.Scheme == "smtps":
		return errors.New("SMTP_URL: smtps is always encrypted; for another tls= use smtp://")
	case wanted == "" && loopback(s.host):
		s.encryption = TLSNone
	case wanted == "":
		s.encryption = TLSRequired
	case wanted == TLSRequired, wanted == TLSOpportunistic, wanted == TLSNone:
		s.encryption = wanted
	default:
		return errors.New("SMTP_URL: tls must be required, opportunistic or none")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// mechanism chooses how to log in: the first that both sides have. The password itself goes unencrypted only
// to this machine, or where SMTP_URL says tls=none.
func (s Server) mechanism(offer string, private bool) (string, smtp.Auth) {
	offered := strings.Fields(strings.ToUpper(offer))
	open := private || s.encryption == TLSNone || loopback(s.host)
	for _, m := range []struct {
		name   string
		usable bool
		auth   smtp.Auth
	}{
		{"SCRAM-SHA-256", true, smtp.ScramSHA256Auth(s.user, s.password)},
		{"SCRAM-SHA-1", true, smtp.ScramSHA1Auth(s.user, s.password)},
		{"PLAIN", open, smtp.PlainAuth("", s.user, s.password, s.host, true)},
		{"LOGIN", open, smtp.LoginAuth(s.user, s.password, s.host, true)},
		{"CRAM-MD5", true, smtp.CRAMMD5Auth(s.user, s.password)},
	} {
		if m.usable && slices.Contains(offered, m.name) {
			return m.name, m.auth
		}
	}
	return "", nil
}
