package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	netmail "net/mail"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// conversation is one connection to an SMTP server, greeted, encrypted and authenticated.
type conversation struct {
	server  Server
	timeout time.Duration
	conn    net.Conn // below TLS
	client  *smtp.Client
	private bool
	// broken says that the connection is of no more use.
	broken bool
}

// dial opens a conversation. The context may end it at any moment.
func dial(ctx context.Context, server Server, o SMTPOptions) (*conversation, *Failure) {
	dialer := net.Dialer{Timeout: o.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", server.address())
	if err != nil {
		return nil, ended(ctx, failed(StepConnect, err))
	}
	c := &conversation{server: server, timeout: o.Timeout, conn: conn}
	defer context.AfterFunc(ctx, c.hangUp)()
	if step, err := c.greet(ctx, o.TLS); err != nil {
		c.hangUp()
		return nil, ended(ctx, failed(step, err, server.user, server.password, plainResponse(server)))
	}
	return c, nil
}

func (c *conversation) greet(ctx context.Context, base *tls.Config) (Step, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if base != nil {
		config = base.Clone()
	}
	config.ServerName = c.server.host
	conn := c.conn
	c.patience(c.timeout)
	if c.server.encryption == TLSImplicit {
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return StepEncrypt, err
		}
		conn, c.private = secured, true
	}
	var err error
	c.patience(c.timeout)
	if c.client, err = smtp.NewClient(conn, c.server.host); err != nil {
		return StepConnect, err
	}
	c.patience(c.timeout)
	if err := c.client.Hello(helloName(conn)); err != nil {
		return StepConnect, err
	}
	if err := c.startTLS(config); err != nil {
		return StepEncrypt, err
	}
	return StepAuthenticate, c.authenticate()
}

func (c *conversation) startTLS(config *tls.Config) error {
	if c.private || c.server.encryption == TLSNone {
		return nil
	}
	if offered, _ := c.client.Extension("STARTTLS"); !offered {
		if c.server.encryption == TLSOpportunistic {
			return nil
		}
		return errors.New("it does not offer STARTTLS, which SMTP_URL requires")
	}
	c.patience(c.timeout)
	if err := c.client.StartTLS(config); err != nil {
		return err
	}
	c.private = true
	return nil
}

func (c *conversation) authenticate() error {
	if c.server.user == "" {
		return nil
	}
	_, offer := c.client.Extension("AUTH")
	_, auth := c.server.mechanism(offer, c.private)
	if auth == nil {
		return errors.New("it offers no way to log in that is safe on this connection")
	}
	c.patience(c.timeout)
	return c.client.Auth(auth)
}

// deliver hands one mail over. Whatever fails before the mail's content leaves the connection fit for the
// next mail, unless broken is set.
func (c *conversation) deliver(ctx context.Context, m *Message) *Failure {
	defer context.AfterFunc(ctx, c.hangUp)()
	step, err := c.transaction(m)
	if err == nil {
		return nil
	}
	var reply *textproto.Error
	var address *Failure
	switch {
	case errors.As(err, &address):
		return address
	case !errors.As(err, &reply) || reply.Code == serviceClosing:
		c.broken = true
	default:
		c.patience(c.timeout)
		c.broken = c.client.Reset() != nil
	}
	return ended(ctx, failed(step, err, m.to, m.from, c.server.user, c.server.password))
}

func (c *conversation) transaction(m *Message) (Step, error) {
	plain := ascii(m.from) && ascii(m.to)
	if able, _ := c.client.Extension("SMTPUTF8"); !plain && !able {
		return StepAddress, &Failure{
			Class: Permanent, Step: StepAddress,
			Reason: "the mail address has letters beyond ASCII, which the SMTP server does not take",
		}
	}
	c.client.SkipSMTPUTF8(plain)
	c.patience(c.timeout)
	if err := c.client.Mail(envelope(m.from)); err != nil {
		return StepSender, err
	}
	c.patience(c.timeout)
	if err := c.client.Rcpt(envelope(m.to)); err != nil {
		return StepRecipient, err
	}
	c.patience(c.timeout)
	body, err := c.client.Data()
	if err != nil {
		return StepContent, err
	}
	c.patience(c.timeout)
	if _, err := body.Write(m.content); err != nil {
		return StepContent, err
	}
	c.patience(4 * c.timeout)
	return StepAccept, body.Close()
}

// patience is how long the server may take from now on.
func (c *conversation) patience(d time.Duration) { _ = c.conn.SetDeadline(time.Now().Add(d)) }

// quit ends the conversation as SMTP asks, without waiting long.
func (c *conversation) quit() {
	c.patience(min(c.timeout, time.Second))
	_ = c.client.Quit()
	c.hangUp()
}

// hangUp ends the connection at once, also under a command on its way.
func (c *conversation) hangUp() { _ = c.conn.Close() }

// ended says of a failure that its context caused it, where that is so.
func ended(ctx context.Context, f *Failure) *Failure {
	if err := ctx.Err(); err != nil && f.Code == 0 {
		f.cause, f.Reason = err, "the attempt was ended: "+err.Error()
	}
	return f
}

// helloName is what RFC 5321 §4.1.1.1 asks for: the machine's full name, else its address.
func helloName(conn net.Conn) string {
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") && !strings.ContainsAny(name, " \r\n") {
		return name
	}
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case local.IP.To4() == nil:
		return "[IPv6:" + local.IP.String() + "]"
	default:
		return "[" + local.IP.String() + "]"
	}
}

// plainResponse is what AUTH PLAIN sends: a server might repeat it.
func plainResponse(s Server) string { return "\x00" + s.user + "\x00" + s.password }

// envelope is an address as MAIL and RCPT take it, in angle brackets and quoted where it must be.
func envelope(address string) string { return (&netmail.Address{Address: address}).String() }

func ascii(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e }) }
