package mail_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/educareschool/guichet/pkg/mail"
	guichet "github.com/educareschool/guichet/pkg/settings"
)

func TestSettingsAreReadFromTheEnvironment(t *testing.T) {
	t.Parallel()
	var s mail.Settings
	err := guichet.Load(&s, guichet.Source{Env: map[string]string{
		"SMTP_URL": "smtps://robot:s3cret@smtp.example.org", "MAIL_FROM": "billets@example.org", "RETRY_URL": "https://example.org/{registration}",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Timeout != 30*time.Second || !s.Enabled() {
		t.Errorf("got %v", s.Timeout)
	}
	sender, err := s.Sender()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := sender.(*mail.SMTP); !ok {
		t.Errorf("got a %T", sender)
	}
	if err := sender.Close(); err != nil {
		t.Error(err)
	}
}

func TestWrongSettingsAreNamedAndSecretsAreNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*mail.Settings)
		want   string
	}{
		"both ways":     {func(s *mail.Settings) { s.URL, s.Mailbox = "smtp://localhost", "mails" }, "SMTP_URL and MAILBOX_DIR are both set"},
		"no sender":     {func(s *mail.Settings) { s.URL, s.From = "smtp://localhost", "" }, "MAIL_FROM is not set"},
		"bad URL":       {func(s *mail.Settings) { s.URL = "smtp://robot:s3cret@" }, "SMTP_URL"},
		"bad sender":    {func(s *mail.Settings) { s.From = "Educare" }, "MAIL_FROM is not a mail address"},
		"bad reply-to":  {func(s *mail.Settings) { s.ReplyTo = "a@b, c@d" }, "MAIL_REPLY_TO is not a mail address"},
		"bad admin":     {func(s *mail.Settings) { s.Admin = "admin" }, "ADMIN_EMAIL is not a mail address"},
		"bad retry":     {func(s *mail.Settings) { s.RetryURL = "/retry/{registration}" }, "RETRY_URL"},
		"unknown place": {func(s *mail.Settings) { s.RetryURL = "https://example.org/{id}" }, "RETRY_URL"},
		"no patience":   {func(s *mail.Settings) { s.Timeout = 0 }, "SMTP_TIMEOUT"},
	} {
		s := settings()
		c.change(&s)
		err := s.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := settings().Validate(); err != nil {
		t.Errorf("good settings: %v", err)
	}
	if settings().Enabled() {
		t.Error("mails have nowhere to go, and yet it is enabled")
	}
	if _, err := settings().Sender(); err == nil {
		t.Error("a sender to nowhere")
	}
}

func TestTheRetryLinkLeadsToTheRegistration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ template, id, want string }{
		{"https://example.org/r/{registration}/pay", "reg-1", "https://example.org/r/reg-1/pay"},
		{"https://example.org/pay?r={registration}&x=1", "a b&c/d?é+", "https://example.org/pay?r=a%20b%26c%2Fd%3F%C3%A9%2B&x=1"},
		{"https://example.org/r/{registration}", "../../x", "https://example.org/r/..%2F..%2Fx"},
		{"http://localhost:3000/pay", "reg-1", "http://localhost:3000/pay"},
		{"", "reg-1", ""},
	} {
		if got := (mail.Settings{RetryURL: c.template}).RetryLink(c.id); got != c.want {
			t.Errorf("%s with %q: %q, want %q", c.template, c.id, got, c.want)
		}
	}
}

func TestAnSMTPURLSaysHowToSpeakToTheServer(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"smtp://smtp.example.org":                             "smtp.example.org:587 (TLS required)",
		"smtp://u:p@smtp.example.org:2525/":                   "smtp.example.org:2525 (TLS required)",
		"smtp://u:p%40%23@smtp.example.org?tls=opportunistic": "smtp.example.org:587 (TLS opportunistic)",
		"smtp://mail.internal:25?tls=none":                    "mail.internal:25 (TLS none)",
		"smtp://localhost:1025":                               "localhost:1025 (TLS none)",
		"smtp://127.0.0.1:1025":                               "127.0.0.1:1025 (TLS none)",
		"smtp://[::1]:1025":                                   "[::1]:1025 (TLS none)",
		"smtp://localhost?tls=required":                       "localhost:587 (TLS required)",
		"smtps://u:p@smtp.example.org":                        "smtp.example.org:465 (TLS implicit)",
		"smtps://localhost:8465?tls=required":                 "localhost:8465 (TLS implicit)",
		" smtp://smtp.example.org\n":                          "smtp.example.org:587 (TLS required)",
	} {
		s, err := mail.ParseURL(url)
		if err != nil || s.String() != want {
			t.Errorf("%s: %v, %v; want %s", url, s, err, want)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if printed := fmt.Sprintf(verb, s); printed != want {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
}

func TestAWrongSMTPURLIsRefusedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	for _, url := range []string{
		"", "smtp.example.org:25", "http://u:" + secret + "@h", "smtp://", "smtp://u:" + secret + "@", "smtp://u:" + secret + "@:25",
		"smtp://u@h", "smtp://:" + secret + "@h", "smtp://u:" + secret + "@h:port", "smtp://u:" + secret + "@h:99999", "smtp://u:" + secret + "@h:0",
		"smtp://u:" + secret + "#x@h", "smtp://u:a/" + secret + "@h", "smtp://u:a?" + secret + "@h", "smtp://u:" + secret + "%zz@h",
		"smtp://u:" + secret + "@h/path", "smtp://u:" + secret + "@h?tls=maybe" + secret, "smtp://u:" + secret + "@h?TLS=none", "smtp://u:" + secret + "@h?tls=none&x=1",
		"smtp://u:" + secret + "@h?tls=none&tls=required", "smtps://u:" + secret + "@h?tls=none", "smtp:u:" + secret + "@h", "smtp://u:" + secret + " @h", "smtp://u:a;" + secret + "@h?a;b",
	} {
		_, err := mail.ParseURL(url)
		if err == nil || !strings.Contains(err.Error(), "SMTP_URL") || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", url, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		url := rapid.StringMatching(`(smtp|smtps|http)?(://|:)[a-z@:/?#%&;= ]{0,6}s3cr3t[a-z@:/?#%&;=0-9 ]{0,12}`).Draw(t, "url")
		if _, err := mail.ParseURL(url); err != nil && strings.Contains(err.Error(), secret) {
			t.Fatalf("%q: %v", url, err)
		}
	})
}
