package mail_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/tlstest"
)

const (
	user     = "robot@example.org"
	password = "corr3ct-h0rse"
)

// smtpServer is a real SMTP server in this process that misbehaves as told.
type smtpServer struct {
	addr      string
	roots     *x509.CertPool
	listener  *countingListener
	behaviour behaviour

	mu       sync.Mutex
	received []received
	logins   int
}

// behaviour is what the server does otherwise than a good one; nil functions are good ones.
type behaviour struct {
	tls      bool // offers STARTTLS
	implicit bool // TLS from the first byte
	auth     bool // wants user and password
	utf8     bool // offers SMTPUTF8

	mail func(nth int) error // of this connection, from 1
	rcpt func(to string) error
	data func(c *smtp.Conn, r io.Reader) error
}

type received struct {
	from, to string
	content  []byte
	private  bool
	utf8     bool
	hello    string
}

func serve(t *testing.T, b behaviour) *smtpServer {
	t.Helper()
	config, roots := certificate(t)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &smtpServer{addr: listener.Addr().String(), roots: roots, behaviour: b}
	s.listener = &countingListener{Listener: listener, closed: make(chan struct{}, 100)}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.AllowInsecureAuth = true
	server.EnableSMTPUTF8 = b.utf8
	var on net.Listener = s.listener
	switch {
	case b.implicit:
		on = tls.NewListener(on, config)
	case b.tls:
		server.TLSConfig = config
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(on)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return s
}

// url is the server's SMTP_URL.
func (s *smtpServer) url(query string) string {
	scheme := "smtp://"
	if s.behaviour.implicit {
		scheme = "smtps://"
	}
	if s.behaviour.auth {
		scheme += "robot%40example.org:" + password + "@"
	}
	return scheme + s.addr + query
}

// sender makes a sender to the server that trusts its certificate.
func (s *smtpServer) sender(t *testing.T, url string, o mail.SMTPOptions) *mail.SMTP {
	t.Helper()
	server, err := mail.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	if o.TLS == nil {
		o.TLS = &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	sender := mail.NewSMTP(server, o)
	t.Cleanup(func() { _ = sender.Close() })
	return sender
}

func (s *smtpServer) mails() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.received...)
}

type session struct {
	server *smtpServer
	conn   *smtp.Conn
	now    received
	nth    int
	known  bool
}

func (s *session) AuthMechanisms() []string {
	if s.server.behaviour.auth {
		return []string{sasl.Plain}
	}
	return nil
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, secret string) error {
		if name != user || secret != password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "bad login " + name + " " + secret}
		}
		s.known = true
		s.server.mu.Lock()
		s.server.logins++
		s.server.mu.Unlock()
		return nil
	}), nil
}

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	if s.server.behaviour.auth && !s.known {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	_, private := s.conn.TLSConnectionState()
	s.now = received{from: from, private: private, utf8: o.UTF8, hello: s.conn.Hostname()}
	s.nth++
	if s.server.behaviour.mail != nil {
		return s.server.behaviour.mail(s.nth)
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.now.to = to
	if s.server.behaviour.rcpt != nil {
		return s.server.behaviour.rcpt(to)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	var content bytes.Buffer
	if s.server.behaviour.data != nil {
		if err := s.server.behaviour.data(s.conn, io.TeeReader(r, &content)); err != nil {
			return err
		}
	}
	if _, err := content.ReadFrom(r); err != nil {
		return err
	}
	s.now.content = content.Bytes()
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.received = append(s.server.received, s.now)
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// countingListener counts connections, and tells of each that ends.
type countingListener struct {
	net.Listener
	mu       sync.Mutex
	accepted []net.Conn
	closed   chan struct{}
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted = append(l.accepted, c)
	return &tellingConn{Conn: c, tell: sync.OnceFunc(func() { l.closed <- struct{}{} })}, nil
}

func (l *countingListener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted)
}

// hangUp ends every connection from the server's side, without a word.
func (l *countingListener) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.accepted {
		_ = c.Close()
	}
}

type tellingConn struct {
	net.Conn
	tell func()
}

func (c *tellingConn) Close() error {
	defer c.tell()
	return c.Conn.Close()
}

// certificate is a server's for 127.0.0.1, and who trusts it.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	pair, root := tlstest.SelfSigned(t, "127.0.0.1")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, roots
}
