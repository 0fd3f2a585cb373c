package mail_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
)

// message returns a mail that has a line of one dot, as a line may that is broken before the end of a sentence: it would
// end SMTP's DATA if it were not doubled.
func message(t *testing.T, id string) *mail.Message {
	t.Helper()
	c := samples("fr")["payment_failed"]
	c.RegistrationID = strings.Repeat("x", 33) // as long as breaks the line there
	m := compose(t, c, id)
	if !bytes.Contains(m.Bytes(), []byte("\r\n.\r\n")) {
		t.Fatalf("the mail has no line of one dot:\n%s", m.Bytes())
	}
	return m
}

func reply(code int, enhanced smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// failure is the Failure of an error; a test that gets another, or none, ends.
func failure(t *testing.T, err error) *mail.Failure {
	t.Helper()
	var f *mail.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v (%T), want a Failure", err, err)
	}
	for _, secret := range []string{"zoe", "robot", "billets@", password, "example.org"} {
		if strings.Contains(strings.ToLower(f.Error()), secret) {
			t.Errorf("the reason tells %q: %s", secret, f.Error())
		}
	}
	return f
}

func TestAMailArrivesWholeOverEveryKindOfConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		behaviour behaviour
		query     string
		private   bool
	}{
		"STARTTLS":                       {behaviour{tls: true}, "?tls=required", true},
		"STARTTLS with a login":          {behaviour{tls: true, auth: true}, "?tls=required", true},
		"TLS from the start":             {behaviour{implicit: true, auth: true}, "", true},
		"plain, on this machine":         {behaviour{auth: true}, "", false},
		"opportunistic, with STARTTLS":   {behaviour{tls: true}, "?tls=opportunistic", true},
		"opportunistic, without":         {behaviour{}, "?tls=opportunistic", false},
		"none, though STARTTLS is there": {behaviour{tls: true}, "?tls=none", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, c.behaviour)
			m := message(t, "n-1")
			if err := server.sender(t, server.url(c.query), mail.SMTPOptions{}).Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := server.mails()
			if len(got) != 1 || got[0].from != "billets@example.org" || got[0].to != "zoe@example.org" || got[0].private != c.private || got[0].utf8 {
				t.Fatalf("got %+v", got)
			}
			if !bytes.Equal(got[0].content, m.Bytes()) {
				t.Errorf("another content:\n%s", got[0].content)
			}
			if hello := got[0].hello; !strings.Contains(hello, ".") {
				t.Errorf("it introduced itself as %q", hello)
			}
		})
	}
}

func TestWithoutAVerifiedEncryptionNothingIsSent(t *testing.T) {
	t.Parallel()
	strange := &tls.Config{MinVersion: tls.VersionTLS12} // trusts the system's authorities only
	for name, c := range map[string]struct {
		behaviour behaviour
		query     string
		host      string
		config    *tls.Config
		says      string
	}{
		"required, and not offered":        {behaviour: behaviour{auth: true}, query: "?tls=required", says: "STARTTLS"},
		"STARTTLS, unknown authority":      {behaviour: behaviour{tls: true, auth: true}, query: "?tls=required", config: strange, says: "certificate"},
		"TLS, unknown authority":           {behaviour: behaviour{implicit: true, auth: true}, config: strange, says: "certificate"},
		"opportunistic, unknown authority": {behaviour: behaviour{tls: true, auth: true}, query: "?tls=opportunistic", config: strange, says: "certificate"},
		"another host's certificate":       {behaviour: behaviour{tls: true, auth: true}, query: "?tls=required", host: "localhost", says: "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, c.behaviour)
			url := server.url(c.query)
			if c.host != "" {
				url = strings.Replace(url, "127.0.0.1", c.host, 1)
			}
			f := failure(t, server.sender(t, url, mail.SMTPOptions{TLS: c.config}).Send(t.Context(), message(t, "n-1")))
			if f.Class != mail.Temporary || f.Step != mail.StepEncrypt || !f.OfServer() || !strings.Contains(f.Reason, c.says) {
				t.Errorf("got %+v", f)
			}
			if len(server.mails()) != 0 || server.logins != 0 {
				t.Error("something was sent")
			}
		})
	}
}

func TestAPasswordIsNeverSentInTheClearToAnotherMachine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, offer string
		private    bool
		want       string
	}{
		{"smtp://u:p@h", "PLAIN LOGIN", true, "PLAIN"},
		{"smtp://u:p@h", "LOGIN", true, "LOGIN"},
		{"smtp://u:p@h", "plain scram-sha-256 cram-md5", true, "SCRAM-SHA-256"},
		{"smtp://u:p@h?tls=opportunistic", "PLAIN LOGIN", false, ""},
		{"smtp://u:p@h?tls=opportunistic", "PLAIN LOGIN CRAM-MD5", false, "CRAM-MD5"},
		{"smtp://u:p@h?tls=none", "PLAIN LOGIN", false, "PLAIN"},
		{"smtp://u:p@localhost", "PLAIN", false, "PLAIN"},
		{"smtp://u:p@h", "XOAUTH2", true, ""},
		{"smtp://u:p@h", "", true, ""},
	} {
		server, err := mail.ParseURL(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := mail.Mechanism(server, c.offer, c.private); got != c.want {
			t.Errorf("%s, offered %q: %q, want %q", c.url, c.offer, got, c.want)
		}
	}
}

func TestARefusalIsClassifiedByWhomItIsAbout(t *testing.T) {
	t.Parallel()
	says := func(code int, enhanced smtp.EnhancedCode) error {
		return reply(code, enhanced, "no, zoe@example.org (ZOE) from <billets@example.org>")
	}
	atMail := func(err error) behaviour { return behaviour{mail: func(int) error { return err }} }
	atRcpt := func(err error) behaviour { return behaviour{rcpt: func(string) error { return err }} }
	atData := func(err error) behaviour {
		return behaviour{data: func(*smtp.Conn, io.Reader) error { return err }}
	}
	for name, c := range map[string]struct {
		behaviour behaviour
		class     mail.Class
		step      mail.Step
		code      int
		ofServer  bool
	}{
		"unknown recipient":         {atRcpt(says(550, smtp.EnhancedCode{5, 1, 1})), mail.Permanent, mail.StepRecipient, 550, false},
		"recipient later":           {atRcpt(says(450, smtp.EnhancedCode{4, 2, 0})), mail.Temporary, mail.StepRecipient, 450, false},
		"mailbox full":              {atRcpt(says(552, smtp.EnhancedCode{5, 2, 2})), mail.Temporary, mail.StepRecipient, 552, false},
		"login wanted at recipient": {atRcpt(says(530, smtp.EnhancedCode{5, 7, 0})), mail.Temporary, mail.StepRecipient, 530, false},
		"shutting down":             {atRcpt(says(421, smtp.EnhancedCode{4, 3, 2})), mail.Temporary, mail.StepRecipient, 421, true},
		"sender refused":            {atMail(says(550, smtp.EnhancedCode{5, 7, 1})), mail.Temporary, mail.StepSender, 550, true},
		"sender later":              {atMail(says(451, smtp.EnhancedCode{4, 7, 1})), mail.Temporary, mail.StepSender, 451, true},
		"content refused":           {atData(says(554, smtp.EnhancedCode{5, 6, 0})), mail.Permanent, mail.StepAccept, 554, false},
		"content later":             {atData(says(452, smtp.EnhancedCode{4, 3, 1})), mail.Temporary, mail.StepAccept, 452, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, c.behaviour)
			f := failure(t, server.sender(t, server.url(""), mail.SMTPOptions{}).Send(t.Context(), message(t, "n-1")))
			if f.Class != c.class || f.Step != c.step || f.Code != c.code || f.OfServer() != c.ofServer || f.Uncertain {
				t.Errorf("got %+v, of the server %v", f, f.OfServer())
			}
			if !strings.Contains(f.Reason, fmt.Sprintf("%d ", c.code)) || !strings.Contains(f.Reason, "no, ***") {
				t.Errorf("the reason does not say what the server said: %s", f.Reason)
			}
			if len(server.mails()) != 0 {
				t.Error("it was taken")
			}
		})
	}
}

func TestAWrongPasswordLosesNoMail(t *testing.T) {
	t.Parallel()
	server := serve(t, behaviour{tls: true, auth: true})
	url := strings.Replace(server.url("?tls=required"), password, "wr0ng-secret", 1)
	f := failure(t, server.sender(t, url, mail.SMTPOptions{}).Send(t.Context(), message(t, "n-1")))
	if f.Class != mail.Temporary || f.Step != mail.StepAuthenticate || f.Code != 535 || !f.OfServer() || strings.Contains(f.Reason, "wr0ng") {
		t.Errorf("got %+v", f)
	}
}

func TestARefusedMailLeavesTheConnectionToTheNext(t *testing.T) {
	t.Parallel()
	var refuse atomic.Bool
	server := serve(t, behaviour{
		rcpt: func(string) error {
			if refuse.CompareAndSwap(true, false) {
				return reply(550, smtp.EnhancedCode{5, 1, 1}, "no")
			}
			return nil
		},
	})
	sender := server.sender(t, server.url(""), mail.SMTPOptions{})
	for i := range 10 {
		refuse.Store(i%2 == 0)
		err := sender.Send(t.Context(), message(t, fmt.Sprint("n-", i)))
		if refused := i%2 == 0; refused != (err != nil) {
			t.Fatalf("mail %d: %v", i, err)
		}
	}
	if n := server.listener.count(); n != 1 || len(server.mails()) != 5 {
		t.Errorf("%d connections for %d mails", n, len(server.mails()))
	}
}

func TestManyMailsAtOnceShareOneConnection(t *testing.T) {
	t.Parallel()
	server := serve(t, behaviour{tls: true, auth: true})
	sender := server.sender(t, server.url("?tls=required"), mail.SMTPOptions{})
	var all sync.WaitGroup
	for i := range 50 {
		m := compose(t, samples("fr")["payment_failed"], fmt.Sprint("n-", i))
		all.Go(func() {
			if err := sender.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, m := range server.mails() {
		seen[string(m.content)] = true
	}
	if len(seen) != 50 || len(server.mails()) != 50 || server.listener.count() != 1 || server.logins != 1 {
		t.Errorf("%d mails, %d of them different, %d connections, %d logins", len(server.mails()), len(seen), server.listener.count(), server.logins)
	}
}

// The time may be over before the sender is free again: at once, or on a machine that stalls.
func TestAConnectionThatIsIdleEnds(t *testing.T) {
	t.Parallel()
	for idle, mails := range map[time.Duration]int{time.Nanosecond: 500, time.Millisecond: 3} {
		t.Run(idle.String(), func(t *testing.T) {
			t.Parallel()
			server := serve(t, behaviour{})
			sender := server.sender(t, server.url(""), mail.SMTPOptions{Idle: idle})
			for i := range mails {
				if err := sender.Send(t.Context(), message(t, fmt.Sprint("n-", i))); err != nil {
					t.Fatal(err)
				}
				select {
				case <-server.listener.closed:
				case <-time.After(10 * time.Second):
					t.Fatal("the connection stays open")
				}
			}
			if n := server.listener.count(); n != mails || len(server.mails()) != mails {
				t.Errorf("%d connections, %d mails", n, len(server.mails()))
			}
		})
	}
}

func TestAConnectionThatTheServerEndedIsMadeAnew(t *testing.T) {
	t.Parallel()
	server := serve(t, behaviour{})
	sender := server.sender(t, server.url(""), mail.SMTPOptions{})
	for i := range 3 {
		if err := sender.Send(t.Context(), message(t, fmt.Sprint("n-", i))); err != nil {
			t.Fatal(err)
		}
		server.listener.hangUp()
		<-server.listener.closed
	}
	if n := server.listener.count(); n != 3 || len(server.mails()) != 3 {
		t.Errorf("%d connections, %d mails", n, len(server.mails()))
	}
}

func TestAServerThatThrottlesGetsAllMailsOnce(t *testing.T) {
	t.Parallel()
	var turn atomic.Int32
	server := serve(t, behaviour{
		mail: func(nth int) error { // three mails a connection
			if nth > 3 {
				return reply(421, smtp.EnhancedCode{4, 7, 0}, "too many messages on this connection")
			}
			return nil
		},
		rcpt: func(string) error { // and every fifth try only later
			if turn.Add(1)%5 == 0 {
				return reply(451, smtp.EnhancedCode{4, 7, 1}, "slow down")
			}
			return nil
		},
	})
	sender := server.sender(t, server.url(""), mail.SMTPOptions{})
	put := 0
	for i := range 12 {
		m := compose(t, samples("fr")["payment_failed"], fmt.Sprint("n-", i))
		for sender.Send(t.Context(), m) != nil {
			put++
		}
	}
	seen := map[string]bool{}
	for _, m := range server.mails() {
		seen[string(m.content)] = true
	}
	if len(seen) != 12 || len(server.mails()) != 12 {
		t.Errorf("%d mails, %d of them different", len(server.mails()), len(seen))
	}
	if put != 2 {
		t.Errorf("%d tries were put off: the 421s should not be seen", put)
	}
}

func TestAServerThatHangsUpInsideAMailIsTriedAgain(t *testing.T) {
	t.Parallel()
	var drop atomic.Bool
	drop.Store(true)
	server := serve(t, behaviour{data: func(c *smtp.Conn, r io.Reader) error {
		if drop.Swap(false) {
			_, err := io.ReadFull(r, make([]byte, 100))
			return errors.Join(err, c.Conn().Close(), errors.New("gone"))
		}
		return nil
	}})
	sender := server.sender(t, server.url(""), mail.SMTPOptions{})
	m := message(t, "n-1")
	f := failure(t, sender.Send(t.Context(), m))
	if f.Class != mail.Temporary || f.Code != 0 || !f.OfServer() || f.Step != mail.StepAccept && f.Step != mail.StepContent {
		t.Errorf("got %+v", f)
	}
	if f.Uncertain != (f.Step == mail.StepAccept) {
		t.Errorf("uncertain %v at %s", f.Uncertain, f.Step)
	}
	if err := sender.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := server.mails(); len(got) != 1 || !bytes.Equal(got[0].content, m.Bytes()) {
		t.Errorf("%d mails", len(got))
	}
}

func TestAServerThatNeverAnswersIsGivenUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	server := serve(t, behaviour{data: func(*smtp.Conn, io.Reader) error { <-release; return nil }})
	sender := server.sender(t, server.url(""), mail.SMTPOptions{Timeout: 50 * time.Millisecond})
	f := failure(t, sender.Send(t.Context(), message(t, "n-1")))
	if f.Class != mail.Temporary || f.Step != mail.StepAccept || !f.Uncertain || !strings.Contains(f.Reason, "no answer in time") {
		t.Errorf("got %+v", f)
	}
}

func TestAServerThatDoesNotGreetIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"smtp", "smtps"} {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		sender := (&smtpServer{}).sender(t, scheme+"://"+listener.Addr().String(), mail.SMTPOptions{Timeout: 20 * time.Millisecond})
		f := failure(t, sender.Send(t.Context(), message(t, "n-1")))
		if f.Class != mail.Temporary || !f.OfServer() || f.Uncertain || !strings.Contains(f.Reason, "no answer in time") {
			t.Errorf("%s: got %+v", scheme, f)
		}
	}
}

func TestAServerThatIsNotThereIsTemporary(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "smtp://u:" + password + "@" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	f := failure(t, (&smtpServer{}).sender(t, url, mail.SMTPOptions{}).Send(t.Context(), message(t, "n-1")))
	if f.Class != mail.Temporary || f.Step != mail.StepConnect || !f.OfServer() || !strings.Contains(f.Reason, "refused") {
		t.Errorf("got %+v", f)
	}
}

func TestTheCallersContextEndsAnAttempt(t *testing.T) {
	t.Parallel()
	release, inside := make(chan struct{}), make(chan struct{}, 1)
	t.Cleanup(func() { close(release) })
	server := serve(t, behaviour{data: func(*smtp.Conn, io.Reader) error {
		inside <- struct{}{}
		<-release
		return nil
	}})
	sender := server.sender(t, server.url(""), mail.SMTPOptions{})
	first, second := compose(t, samples("fr")["payment_failed"], "n-1"), compose(t, samples("fr")["payment_failed"], "n-2")

	running, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- sender.Send(running, first) }()
	<-inside

	waiting, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if err := sender.Send(waiting, second); !errors.Is(err, context.DeadlineExceeded) || failure(t, err).Step != mail.StepWait {
		t.Errorf("waiting for its turn: %v", err)
	}
	cancel()
	err := <-result
	f := failure(t, err)
	if !errors.Is(err, context.Canceled) || !f.Uncertain || f.OfServer() || f.Class != mail.Temporary {
		t.Errorf("in the middle: %+v", f)
	}
}

func TestAServerThatOutlastsTheCallersPatienceIsToBlame(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	server := serve(t, behaviour{rcpt: func(string) error { <-release; return nil }})
	sender, m := server.sender(t, server.url(""), mail.SMTPOptions{}), message(t, "n-1")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // it must come as far as the recipient
	defer cancel()
	err := sender.Send(ctx, m)
	if f := failure(t, err); !errors.Is(err, context.DeadlineExceeded) || !f.OfServer() || f.Uncertain || f.Step != mail.StepRecipient {
		t.Errorf("got %+v", f)
	}
}

func TestNothingIsSentAfterClose(t *testing.T) {
	t.Parallel()
	server := serve(t, behaviour{})
	sender := server.sender(t, server.url(""), mail.SMTPOptions{})
	if err := sender.Send(t.Context(), message(t, "n-1")); err != nil {
		t.Fatal(err)
	}
	if err := sender.Close(); err != nil {
		t.Fatal(err)
	}
	<-server.listener.closed
	if f := failure(t, sender.Send(t.Context(), message(t, "n-2"))); f.Class != mail.Temporary {
		t.Errorf("got %+v", f)
	}
	if err := sender.Close(); err == nil {
		t.Error("closed twice without a word")
	}
}

func TestAnAddressBeyondASCIINeedsAServerThatTakesIt(t *testing.T) {
	t.Parallel()
	m := compose(t, mail.Content{Kind: registration.MailPaymentConfirmed, Email: "zoé@exämple.org"}, "n-1")
	without := serve(t, behaviour{})
	f := failure(t, without.sender(t, without.url(""), mail.SMTPOptions{}).Send(t.Context(), m))
	if f.Class != mail.Permanent || f.Step != mail.StepAddress || len(without.mails()) != 0 {
		t.Errorf("got %+v", f)
	}
	with := serve(t, behaviour{utf8: true})
	sender := with.sender(t, with.url(""), mail.SMTPOptions{})
	for _, each := range []*mail.Message{m, message(t, "n-2")} {
		if err := sender.Send(t.Context(), each); err != nil {
			t.Fatal(err)
		}
	}
	got := with.mails()
	if len(got) != 2 || got[0].to != "zoé@exämple.org" || !got[0].utf8 || got[1].utf8 {
		t.Errorf("got %+v", got)
	}
}

func TestAnAddressThatNeedsQuotesIsQuoted(t *testing.T) {
	t.Parallel()
	server := serve(t, behaviour{})
	m := compose(t, mail.Content{Kind: registration.MailPaymentConfirmed, Email: `"a,b"@example.org`}, "n-1")
	if err := server.sender(t, server.url(""), mail.SMTPOptions{}).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := server.mails(); len(got) != 1 || got[0].to != "a,b@example.org" && got[0].to != `"a,b"@example.org` {
		t.Errorf("got %+v", got)
	}
}
