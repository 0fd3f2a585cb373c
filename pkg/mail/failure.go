package mail

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Class says whether another try of the same mail can do better.
type Class string

// The classes.
const (
	Permanent Class = "permanent"
	Temporary Class = "temporary"
)

// Step is where handing a mail over failed: a closed set, fit for a metric's label.
type Step string

// The steps, in their order.
const (
	StepAddress      Step = "address"      // there is no address to send to
	StepFile         Step = "file"         // a mailbox could not write
	StepWait         Step = "wait"         // another mail still held the connection
	StepConnect      Step = "connect"      // TCP, greeting, EHLO
	StepEncrypt      Step = "encrypt"      // TLS, STARTTLS
	StepAuthenticate Step = "authenticate" // AUTH
	StepSender       Step = "sender"       // MAIL FROM
	StepRecipient    Step = "recipient"    // RCPT TO
	StepContent      Step = "content"      // DATA and the mail itself
	StepAccept       Step = "accept"       // the server's answer to the whole mail
)

// Steps returns every step, to initialise metrics with.
func Steps() []Step {
	return []Step{
		StepAddress, StepFile, StepWait, StepConnect, StepEncrypt, StepAuthenticate,
		StepSender, StepRecipient, StepContent, StepAccept,
	}
}

// Failure is why a mail was not handed over. Its text holds no mail address and no secret, and may be
// stored and logged.
type Failure struct {
	Class Class
	Step  Step
	// Code is the SMTP server's reply code; 0 where it did not answer.
	Code int
	// Uncertain says that the mail was sent whole and no answer came: the server may have taken it, and
	// another try may double it.
	Uncertain bool
	Reason    string
	cause     error // a context's error, or nil
}

// Error returns the reason.
func (f *Failure) Error() string { return f.Reason }

// Unwrap returns the context's error when it was the caller who ended the attempt.
func (f *Failure) Unwrap() error { return f.cause }

// OfServer says that the next mail would fare the same: the server is away, refuses us, or hangs up.
// Whoever has more mails to send had better wait.
func (f *Failure) OfServer() bool {
	switch f.Step {
	case StepConnect, StepEncrypt, StepAuthenticate, StepSender:
		return !errors.Is(f.cause, context.Canceled)
	case StepRecipient, StepContent, StepAccept:
		return !errors.Is(f.cause, context.Canceled) && (f.Code == 0 || f.Code == serviceClosing)
	default:
		return false
	}
}

// Reply codes of RFC 5321 and RFC 4954 that count otherwise than their first digit says.
const (
	serviceClosing    = 421
	badSequence       = 503
	authRequired      = 530
	authTooWeak       = 534
	authInvalid       = 535
	authNeedsTLS      = 538
	exceededAllotment = 552 // to RCPT, RFC 5321 §4.5.3.1.10 wants it treated as temporary
)

// classify says what a reply code means at a step. Only a refusal of this recipient or this mail is
// permanent: a server that refuses us, our password or our sender is set up wrong, and every mail would be lost.
func classify(step Step, code int) Class {
	refused := code >= 500 && code <= 599
	switch {
	case !refused, slices.Contains([]int{badSequence, authRequired, authTooWeak, authInvalid, authNeedsTLS}, code):
		return Temporary
	case step == StepRecipient && code != exceededAllotment, step == StepContent, step == StepAccept:
		return Permanent
	default:
		return Temporary
	}
}

// failed makes a Failure of an error of a conversation with an SMTP server. Secrets are kept out of its reason.
func failed(step Step, err error, secrets ...string) *Failure {
	f := &Failure{Step: step}
	why := plainly(err)
	var reply *textproto.Error
	if errors.As(err, &reply) {
		f.Code = reply.Code
		why = fmt.Sprintf("%03d %s", reply.Code, reply.Msg)
	}
	f.Class = classify(step, f.Code)
	f.Uncertain = step == StepAccept && f.Code == 0
	f.Reason = said(step) + ": " + line(mask(why, secrets...), longestMessage)
	return f
}

// stopped is the Failure of an attempt that its context ended.
func stopped(err error) *Failure {
	return &Failure{Class: Temporary, Step: StepWait, Reason: "the attempt was ended: " + err.Error(), cause: err}
}

func said(step Step) string {
	switch step {
	case StepConnect:
		return "the SMTP server cannot be reached"
	case StepEncrypt:
		return "no secure connection to the SMTP server"
	case StepAuthenticate:
		return "the SMTP server does not accept SMTP_URL's user and password"
	case StepSender:
		return "the SMTP server refuses MAIL_FROM"
	case StepRecipient:
		return "the SMTP server refuses the recipient"
	case StepContent:
		return "the SMTP server does not take the mail"
	default:
		return "the SMTP server did not accept the mail"
	}
}

// plainly says an error of a connection without the ports that make each of them another.
func plainly(err error) string {
	var timeout net.Error
	var operation *net.OpError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "the connection was closed"
	case errors.As(err, &operation):
		return operation.Err.Error()
	default:
		return err.Error()
	}
}

// mask hides addresses, and the secrets in every form in which a server might repeat them.
func mask(text string, secrets ...string) string {
	var hidden []string
	for _, s := range secrets {
		if s == "" {
			continue
		}
		if local, _, isAddress := strings.Cut(s, "@"); isAddress && local != "" {
			hidden = append(hidden, word(local))
		}
		hidden = append(hidden, whole(s), regexp.QuoteMeta(url.QueryEscape(s)),
			regexp.QuoteMeta(base64.StdEncoding.EncodeToString([]byte(s))))
	}
	slices.SortFunc(hidden, func(a, b string) int { return len(b) - len(a) })
	hidden = append([]string{`[^\s<>()\[\]"',;:]+(@|%40)[^\s<>()\[\]"',;:]+`}, hidden...)
	return regexp.MustCompile(`(?i)`+strings.Join(hidden, "|")).ReplaceAllString(text, "***")
}

// whole matches a text, also inside a longer word unless it is so short that this would hide half of what was said.
func whole(s string) string {
	if len(s) < 4 {
		return word(s)
	}
	return regexp.QuoteMeta(s)
}

// word matches a text where it stands alone. An edge that is no ASCII letter or digit cannot be checked, and matches anywhere.
func word(s string) string {
	edge := regexp.MustCompile(`^\w|\w$`)
	pattern := regexp.QuoteMeta(s)
	for _, at := range edge.FindAllStringIndex(s, -1) {
		if at[0] == 0 {
			pattern = `\b` + pattern
		}
		if at[1] == len(s) {
			pattern += `\b`
		}
	}
	return pattern
}
