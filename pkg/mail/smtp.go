package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"time"
)

// SMTPOptions is what SMTP_URL does not say. Zero values stand for the defaults.
type SMTPOptions struct {
	// Timeout is the longest wait for each answer of the server, 30 s unless told. Its answer to a whole
	// mail may take four times as long: giving up on that one early is what doubles mails (RFC 5321
	// §4.5.3.2.6 even wants ten minutes).
	Timeout time.Duration
	// Idle is how long a connection is kept without a mail, 15 s unless told.
	Idle time.Duration
	// TLS is the base of the TLS configuration, for a certificate authority of one's own.
	TLS *tls.Config
}

// SMTP hands mails to a server over one connection, one mail after the other. The connection is made for
// the first mail, kept for the next, and made anew when it fails or has been idle. SMTP is safe for concurrent use.
type SMTP struct {
	server  Server
	options SMTPOptions
	turn    chan struct{} // holds a token while somebody uses what follows
	open    *conversation // nil without a connection
	idle    *time.Timer
	kept    uint64 // how often a connection was kept
	closed  bool
}

// NewSMTP makes a sender; it connects when there is a mail.
func NewSMTP(server Server, o SMTPOptions) *SMTP {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Idle <= 0 {
		o.Idle = 15 * time.Second
	}
	return &SMTP{server: server, options: o, turn: make(chan struct{}, 1)}
}

// Send hands a mail over. When a kept connection turns out to be gone before any of the mail was sent, it
// tries once more on a new one. The context may end it at any moment.
func (s *SMTP) Send(ctx context.Context, m *Message) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return stopped(ctx.Err())
	}
	for {
		if s.closed {
			return &Failure{Class: Temporary, Step: StepConnect, Reason: "the mail sender is closed"}
		}
		if err := ctx.Err(); err != nil {
			return stopped(err)
		}
		kept := s.open != nil
		if f := s.connect(ctx); f != nil {
			return f
		}
		c := s.open
		f := c.deliver(ctx, m)
		s.keep()
		if f == nil {
			return nil
		}
		nothingSent := f.Step == StepSender || f.Step == StepRecipient
		if !kept || !c.broken || !nothingSent || ctx.Err() != nil {
			return f
		}
	}
}

func (s *SMTP) connect(ctx context.Context) *Failure {
	if s.idle != nil {
		s.idle.Stop()
	}
	if s.open != nil {
		return nil
	}
	c, f := dial(ctx, s.server, s.options)
	s.open = c
	return f
}

// keep lets the connection wait for the next mail, unless it broke.
func (s *SMTP) keep() {
	if s.open.broken {
		s.open.hangUp()
		s.open = nil
		return
	}
	s.kept++
	nth := s.kept
	s.idle = time.AfterFunc(s.options.Idle, func() { s.tire(nth) })
}

// tire ends a connection that no mail has come for since it was kept for the nth time.
func (s *SMTP) tire(nth uint64) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.kept == nth {
		s.leave()
	}
}

func (s *SMTP) leave() {
	if s.idle != nil {
		s.idle.Stop()
	}
	if s.open != nil {
		s.open.quit()
		s.open = nil
	}
}

// Close waits for the mail on its way, then ends the connection.
func (s *SMTP) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed {
		return errors.New("the mail sender is closed already")
	}
	s.closed = true
	s.leave()
	return nil
}
