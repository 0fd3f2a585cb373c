//go:build linux

package chaos

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/mail"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// mailServer is an SMTP server that counts what it has accepted, and misbehaves as told.
type mailServer struct {
	address string
	server  *smtp.Server

	mu       sync.Mutex
	accepted map[string]int // mails by Message-ID
	clear    int            // those of them that came unencrypted
	manner   manner
}

// manner is what the server does otherwise than a good one. Each is called in the middle of a conversation.
type manner struct {
	greet func() error // at the connection; one that is kept from before ends with its next mail
	rcpt  func() error
	// data is called before a mail is taken, taken when it is and before the answer goes out.
	data  func(c *smtp.Conn) error
	taken func()
}

// newMailServer starts a server that offers encryption where it has a configuration for that.
func newMailServer(t testing.TB, encryption *tls.Config) *mailServer {
	t.Helper()
	m := &mailServer{accepted: map[string]int{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = listener.Addr().String()
	m.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		if greet := m.behaviour().greet; greet != nil {
			if err := greet(); err != nil {
				return nil, err
			}
		}
		return &mailSession{m, c}, nil
	}))
	m.server.TLSConfig = encryption
	m.server.ErrorLog = log.New(io.Discard, "", 0)
	m.server.Domain, m.server.ReadTimeout, m.server.WriteTimeout = "mail.example.org", patience, patience
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.server.Serve(listener)
	}()
	t.Cleanup(func() {
		m.behave(manner{})
		_ = m.server.Close()
		<-done
	})
	return m
}

// behave changes the server's manner.
func (m *mailServer) behave(as manner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.manner = as
}

func (m *mailServer) behaviour() manner {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.manner
}

// counts are how often each mail was accepted.
func (m *mailServer) counts() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]int, len(m.accepted))
	for id, n := range m.accepted {
		out[id] = n
	}
	return out
}

func (m *mailServer) inTheClear() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clear
}

type mailSession struct {
	server *mailServer
	conn   *smtp.Conn
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if greet := s.server.behaviour().greet; greet != nil {
		_ = s.conn.Close()
		return greet()
	}
	return nil
}

func (s *mailSession) Rcpt(string, *smtp.RcptOptions) error {
	if rcpt := s.server.behaviour().rcpt; rcpt != nil {
		return rcpt()
	}
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	how := s.server.behaviour()
	if how.data != nil {
		if err := how.data(s.conn); err != nil {
			return err
		}
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	message, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: "not a mail"}
	}
	s.server.mu.Lock()
	s.server.accepted[message.Header.Get("Message-Id")]++
	if _, encrypted := s.conn.TLSConnectionState(); !encrypted {
		s.server.clear++
	}
	s.server.mu.Unlock()
	if how.taken != nil {
		how.taken()
	}
	return nil
}

func (*mailSession) Reset()        {}
func (*mailSession) Logout() error { return nil }

// refusal is an answer of the server with a code of three digits.
func refusal(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// throttle refuses more than a number of mails a second.
func throttle(perSecond int) func() error {
	var mu sync.Mutex
	var second int64
	var sent int
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now().Unix(); now != second {
			second, sent = now, 0
		}
		if sent++; sent > perSecond {
			return refusal(451, "slow down")
		}
		return nil
	}
}
