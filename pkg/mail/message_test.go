package mail_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
)

func settings() mail.Settings {
	return mail.Settings{
		From: "Educare School <billets@example.org>", ReplyTo: "bonjour@example.org", Admin: "Équipe <admin@example.org>",
		Timeout: time.Second,
	}
}

func composer(t *testing.T, s mail.Settings) *mail.Composer {
	t.Helper()
	c, err := mail.NewComposer(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// common is a composer of those settings, made once: that renders every mail.
var common = sync.OnceValues(func() (*mail.Composer, error) { return mail.NewComposer(settings()) })

func compose(t *testing.T, c mail.Content, id string) *mail.Message {
	t.Helper()
	by, err := common()
	if err != nil {
		t.Fatal(err)
	}
	m, err := by.Compose(c, id, time.Date(2026, 3, 1, 17, 5, 9, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// read parses a mail as a mail program does: header, text, HTML.
func read(t *testing.T, m *mail.Message) (netmail.Header, string, string) {
	t.Helper()
	parsed, err := netmail.ReadMessage(bytes.NewReader(m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q: %v", kind, err)
	}
	var bodies []string
	parts := multipart.NewReader(parsed.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, strings.ReplaceAll(string(body), "\r\n", "\n"))
	}
	if len(bodies) != 2 {
		t.Fatalf("%d parts", len(bodies))
	}
	return parsed.Header, bodies[0], bodies[1]
}

func decoded(t *testing.T, header string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAMessageIsWholeAndStable(t *testing.T) {
	t.Parallel()
	m := compose(t, samples("fr")["payment_failed"], "n-42")
	golden(t, string(m.Bytes()), "message.eml")
	if again := compose(t, samples("fr")["payment_failed"], "n-42"); !bytes.Equal(m.Bytes(), again.Bytes()) {
		t.Error("a second try is another mail")
	}
	header, text, html := read(t, m)
	for name, want := range map[string]string{
		"From": `"Educare School" <billets@example.org>`, "Reply-To": "<bonjour@example.org>", "Message-Id": "<n-42@example.org>",
		"Date": "Sun, 01 Mar 2026 17:05:09 +0000", "Auto-Submitted": "auto-generated", "Content-Language": "fr", "X-Mailer": "",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	rendered := render(t, renderer(t, ""), samples("fr")["payment_failed"])
	if got := decoded(t, header.Get("Subject")); got != rendered.Subject {
		t.Errorf("subject %q, want %q", got, rendered.Subject)
	}
	if text != rendered.Text || html != rendered.HTML {
		t.Error("the bodies are not what was rendered")
	}
	for l := range bytes.Lines(m.Bytes()) {
		if !bytes.HasSuffix(l, []byte("\r\n")) || len(l) > 78+2 {
			t.Errorf("not a good line: %q", l)
		}
	}
}

func TestMailsToTheAdminGoToTheAdmin(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds() {
		m := compose(t, mail.Content{Kind: kind, Name: "Zoé", Email: "zoe@example.org"}, "n-1")
		header, _, _ := read(t, m)
		to, err := header.AddressList("To")
		if err != nil || len(to) != 1 {
			t.Fatal(to, err)
		}
		want := netmail.Address{Name: "Zoé", Address: "zoe@example.org"}
		if kind.ToAdmin() {
			want = netmail.Address{Name: "Équipe", Address: "admin@example.org"}
		}
		if *to[0] != want {
			t.Errorf("%s goes to %v", kind, to[0])
		}
	}
}

func TestABackslashInANameLeavesTheAddressReadable(t *testing.T) {
	t.Parallel()
	by := composer(t, mail.Settings{From: `"Société \\ & fils" <billets@example.org>`})
	m, err := by.Compose(mail.Content{Kind: registration.MailPaymentConfirmed, Name: `Zoé\`, Email: "zoe@example.org"}, "n-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := read(t, m)
	for name, want := range map[string]netmail.Address{
		"From": {Name: "Société & fils", Address: "billets@example.org"}, "To": {Name: "Zoé", Address: "zoe@example.org"},
	} {
		if got, err := header.AddressList(name); err != nil || len(got) != 1 || *got[0] != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestNothingThatAStrangerWroteGetsOutOfItsPlace(t *testing.T) {
	t.Parallel()
	const inject = "x\r\nBcc: victim@example.net\r\n\r\n.\r\nMAIL FROM:<a@b.c>\n--boundary\n<script>alert(1)</script>\"' onload='x' {{.Email}} \x00\u202e"
	for _, kind := range kinds() {
		for _, f := range flags() {
			m := compose(t, mail.Content{
				Kind: kind, Flag: f, Locale: inject, Name: inject, Email: "zoe@example.org", RegistrationID: inject, Status: inject,
				EventTitle: inject, Amount: mail.Money{Minor: 1, Currency: inject}, RetryURL: "javascript:alert(1)//" + inject,
				ActionURL: "https://x\r\n" + inject, Message: inject, Code: inject, DeclineCode: inject, CancelReason: inject,
				Session: inject, Intent: inject, Charge: inject, Refund: inject, Dispute: inject, DisputeReason: inject,
				DisputeOutcome: inject, Detail: inject, Account: inject,
			}, "n-1")
			header, text, html := read(t, m)
			if len(header) != 11 {
				t.Errorf("%s has %d headers", kind, len(header))
			}
			if header.Get("Bcc") != "" || strings.ContainsAny(decoded(t, header.Get("Subject")), "\r\n") {
				t.Errorf("%s lets a header in", kind)
			}
			for _, l := range strings.Split(text, "\n") {
				if strings.HasPrefix(l, "Bcc:") || strings.HasPrefix(l, ".") || strings.HasPrefix(l, "MAIL") || strings.HasPrefix(l, "--") || strings.HasPrefix(l, "javascript:") {
					t.Errorf("%s lets a line in: %q", kind, l)
				}
			}
			for _, bad := range []string{"<script", "onload='", "javascript:", "\u202e", "\x00"} {
				if strings.Contains(html, bad) {
					t.Errorf("%s lets %q into its HTML", kind, bad)
				}
			}
		}
	}
}

func TestLongTextsAreCutShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("très long ", 10_000)
	m := compose(t, mail.Content{
		Kind: registration.MailPaymentFailed, Name: long, Email: "zoe@example.org", RegistrationID: long, EventTitle: long, Message: long,
	}, "n-1")
	header, _, _ := read(t, m)
	if n := len([]rune(decoded(t, header.Get("Subject")))); n > 181 {
		t.Errorf("the subject has %d characters", n)
	}
	if n := len(m.Bytes()); n > 20_000 {
		t.Errorf("the mail has %d bytes", n)
	}
}

func TestANameThatAdvertisesIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Win at https://spam.example", "WWW.spam.example"} {
		_, text, html := read(t, compose(t, mail.Content{Kind: registration.MailPaymentConfirmed, Name: name, Email: "zoe@example.org"}, "n-1"))
		if !strings.HasPrefix(text, "Bonjour,\n") || strings.Contains(strings.ToLower(text+html), "spam") {
			t.Errorf("%q is greeted: %s", name, text)
		}
	}
}

func TestAMailThatNobodyCanBeSentIsRefused(t *testing.T) {
	t.Parallel()
	withoutAdmin := settings()
	withoutAdmin.Admin = ""
	for name, c := range map[string]struct {
		settings mail.Settings
		content  mail.Content
		want     mail.Class
	}{
		"no address":            {settings(), mail.Content{Kind: registration.MailPaymentConfirmed}, mail.Permanent},
		"no at":                 {settings(), mail.Content{Kind: registration.MailPaymentConfirmed, Email: "secret.example.org"}, mail.Permanent},
		"two addresses":         {settings(), mail.Content{Kind: registration.MailPaymentConfirmed, Email: "secret@example.org, b@example.org"}, mail.Permanent},
		"a name with it":        {settings(), mail.Content{Kind: registration.MailPaymentConfirmed, Email: "Secret <secret@example.org>"}, mail.Permanent},
		"brackets":              {settings(), mail.Content{Kind: registration.MailPaymentConfirmed, Email: "<secret@example.org>"}, mail.Permanent},
		"a comment":             {settings(), mail.Content{Kind: registration.MailPaymentConfirmed, Email: "secret@example.org (Secret)"}, mail.Permanent},
		"a line break":          {settings(), mail.Content{Kind: registration.MailPaymentConfirmed, Email: "secret@example.org\r\nRCPT TO:<b@example.org>"}, mail.Permanent},
		"a quoted space":        {settings(), mail.Content{Kind: registration.MailPaymentConfirmed, Email: `"secret secret"@example.org`}, mail.Permanent},
		"too long":              {settings(), mail.Content{Kind: registration.MailPaymentConfirmed, Email: strings.Repeat("secret", 50) + "@example.org"}, mail.Permanent},
		"no ADMIN_EMAIL is set": {withoutAdmin, mail.Content{Kind: registration.MailAttention}, mail.Temporary},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := composer(t, c.settings).Compose(c.content, "n-1", time.Time{})
			var f *mail.Failure
			if !errors.As(err, &f) || f.Class != c.want || f.Step != mail.StepAddress || f.OfServer() {
				t.Fatalf("got %#v", err)
			}
			if strings.Contains(strings.ToLower(err.Error()), "secret") {
				t.Errorf("the error repeats the address: %v", err)
			}
		})
	}
}

func TestAMessageNeedsAPlainID(t *testing.T) {
	t.Parallel()
	c := composer(t, settings())
	content := mail.Content{Kind: registration.MailPaymentConfirmed, Email: "zoe@example.org"}
	for _, id := range []string{"", "a b", "../x", "a/b", "a\r\nb", ".a", "a.", "a..b", "é", "a@b", strings.Repeat("a", 101)} {
		if _, err := c.Compose(content, id, time.Time{}); err == nil {
			t.Errorf("%q was taken", id)
		}
	}
	for _, id := range []string{"1", "n-42", "0190a5c4-7f3e-7a3b-9b1e-5f0c6f1d2e3a", "a.b_c"} {
		if _, err := c.Compose(content, id, time.Time{}); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestAServersWordsLoseAddressesAndSecrets(t *testing.T) {
	t.Parallel()
	plain := base64.StdEncoding.EncodeToString([]byte("\x00robot\x00s3cret"))
	for said, want := range map[string]string{
		"5.1.1 <zoe.arc@example.org>: Recipient address rejected": "5.1.1 <***>: Recipient address rejected",
		"User ZOE.ARC unknown":                               "User *** unknown",
		"see http://x.example/?to=zoe.arc%40example.org now": "see http:*** now",
		"forward to other+tag@example.net,please":            "forward to ***,please",
		"AUTH " + plain + " refused":                         "AUTH *** refused",
		"password s3cret of robot is wrong":                  "password *** of *** is wrong",
		"czNjcmV0 is wrong":                                  "*** is wrong",
		"nothing to hide: 550 5.7.1 refusal":                 "nothing to hide: 550 5.7.1 refusal",
	} {
		if got := mail.Mask(said, "zoe.arc@example.org", "robot", "s3cret", "\x00robot\x00s3cret", ""); got != want {
			t.Errorf("%q becomes %q, want %q", said, got, want)
		}
	}
	for _, local := range []string{"a", "é", "+x", "élise"} {
		if got := mail.Mask("user "+local+" unknown", local+"@example.org"); strings.Contains(got, " "+local+" ") {
			t.Errorf("%q leaves the name of %q", got, local)
		}
	}
}
