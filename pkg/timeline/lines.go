package timeline

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// rowLines are what the platform did, as far as the row keeps it.
func (t telling) rowLines() []Line {
	r := t.story.Registration
	if r == nil {
		return nil
	}
	made := Line{At: r.CreatedAt.UTC(), Kind: Row, Text: fmt.Sprintf("registered for %q (%s)", r.EventTitle, r.EventID)}
	if r.Session == "" || r.SessionSetAt != nil {
		if r.SessionSetAt == nil {
			return []Line{made}
		}
		set := Line{At: r.SessionSetAt.UTC(), Kind: Row, Text: "the platform took the session off the row"}
		if r.Session != "" {
			set.Text = "the platform set session " + r.Session
			set.Notes = sessionTimes(*r)
		}
		return []Line{made, set}
	}
	made.Text += ", with session " + r.Session
	made.Notes = sessionTimes(*r)
	return []Line{made}
}

func sessionTimes(r store.Registered) []string {
	var times []string
	if r.SessionCreatedAt != nil {
		times = append(times, "made "+when(*r.SessionCreatedAt))
	}
	if r.SessionExpiresAt != nil {
		times = append(times, "can be paid until "+when(*r.SessionExpiresAt))
	}
	if len(times) == 0 {
		return nil
	}
	return []string{strings.Join(times, ", ")}
}

// eventLine tells of an event when it was processed, with the delays before that.
func (t telling) eventLine(e store.Entry) Line {
	f := t.facts[e.ID]
	line := Line{At: e.StoredAt.UTC(), Event: e.ID}
	switch registration.Source(e.Source) {
	case registration.FromClock:
		line.Kind, line.Text = Clock, says(f)
		return line
	case registration.FromLookup:
		line.Kind, line.Text = Answer, says(f)
		return line
	}
	line.Kind, line.Text = Event, e.Type+": "+says(f)
	line.Notes = append(line.Notes, e.ID+", "+delays(e))
	switch {
	case e.RegistrationID != "" && (t.story.Registration == nil || t.story.Registration.ID != e.RegistrationID):
		line.Notes = append(line.Notes, "it belongs to registration "+e.RegistrationID)
	case e.Outcome == store.EventIgnored:
		line.Text = e.Type + ": ignored, " + e.Reason
		if e.Ref != "" {
			line.Notes = append(line.Notes, "it names registration "+e.Ref)
		}
	case e.Outcome == store.EventWaiting && e.Ref != "":
		line.Notes = append(line.Notes, "it names registration "+e.Ref+", and waits for it")
	case e.Outcome == store.EventWaiting:
		line.Notes = append(line.Notes, "it names no registration, and waits for what tells whose it is")
	case t.story.Registration != nil && e.StoredAt.Before(t.story.Registration.CreatedAt):
		line.Notes = append(line.Notes, "it waited for the registration, which was made "+Span(t.story.Registration.CreatedAt.Sub(e.StoredAt))+" later")
	}
	return line
}

// delays says how long an event took from Stripe to the ingester, and from there to the database.
func delays(e store.Entry) string {
	if e.Created == nil {
		return "processed " + when(e.StoredAt)
	}
	text := "made at Stripe " + when(*e.Created)
	from := *e.Created
	if e.ReceivedAt != nil {
		text += ", received " + later(e.ReceivedAt.Sub(from))
		from = *e.ReceivedAt
	}
	return text + ", processed " + later(e.StoredAt.Sub(from))
}

// later is a delay; Stripe's times are whole seconds.
func later(d time.Duration) string {
	if d < time.Second {
		return "at once"
	}
	return Span(d) + " later"
}

func (t telling) mailLine(m store.Mail) Line {
	to := "the participant"
	if m.Kind.ToAdmin() {
		to = "the admin"
	}
	return Line{At: m.CreatedAt.UTC(), Kind: Mail, Event: m.FactID, Text: fmt.Sprintf("%s to %s: %s", mailName(m), to, becameOf(m))}
}

// mailName is a mail's kind and what it is about, as its slot says: a payment, or a flag and its object.
func mailName(m store.Mail) string {
	parts := strings.SplitN(m.Slot, ":", 3)
	switch {
	case len(parts) == 3 && m.Kind == registration.MailAttention:
		return fmt.Sprintf("%s (%s of %s)", m.Kind, parts[1], brief(parts[2]))
	case len(parts) > 1:
		return fmt.Sprintf("%s (%s)", m.Kind, brief(parts[1]))
	}
	return string(m.Kind)
}

// becameOf is what became of a mail.
func becameOf(m store.Mail) string {
	tries := fmt.Sprintf("%d tries", m.Attempts)
	if m.Attempts == 1 {
		tries = "1 try"
	}
	problem := ""
	if m.LastError != "" {
		problem = ": " + m.LastError
	}
	switch m.Status {
	case store.MailSent:
		if m.SentAt == nil {
			return "sent"
		}
		return fmt.Sprintf("sent %s, %s", later(m.SentAt.Sub(m.CreatedAt)), tries)
	case store.MailDropped:
		return "not sent, since it was no longer wanted when its turn came"
	case store.MailFailed:
		return "given up after " + tries + problem
	case store.MailSuppressed:
		return "not sent, since mails were off"
	}
	return "waits, after " + tries + problem
}

func (t telling) attentionLines() []Line {
	var lines []Line
	for _, a := range t.story.Attention {
		about := a.Flag
		if a.Object != a.FactID {
			about += " of " + brief(a.Object)
		}
		lines = append(lines, Line{At: a.RaisedAt.UTC(), Kind: Attention, Event: a.FactID, Text: fmt.Sprintf("%s raised: %s", about, meaning(a.Flag))})
		if a.AcknowledgedAt != nil {
			lines = append(lines, Line{
				At: a.AcknowledgedAt.UTC(), Kind: Attention, Text: fmt.Sprintf("%s seen to by %s: %s", about, a.AcknowledgedBy, a.Note),
			})
		}
		if a.ClearedAt != nil {
			lines = append(lines, Line{At: a.ClearedAt.UTC(), Kind: Attention, Text: about + " cleared: its cause is gone"})
		}
	}
	return lines
}

// meaning is what a flag says.
func meaning(flag string) string {
	switch registration.Flag(flag) {
	case registration.PaidWithoutSeat:
		return "it is paid, and no place was left"
	case registration.DoublePayment:
		return "another payment stands beside the first"
	case registration.AmountMismatch:
		return "what was paid is not what was due"
	case registration.FailedRefund:
		return "a refund came back"
	case registration.UnconfirmedPayment:
		return "a payment succeeded that nothing confirms"
	case registration.UnknownRegistration:
		return "it names a registration that is not there"
	case registration.UnlinkedDispute:
		return "nothing tells whose payment it is about"
	}
	return "see to it"
}

func (t telling) personLines() []Line {
	var lines []Line
	for _, o := range t.story.Operations {
		state := "under way, or cut off"
		switch {
		case o.Error != "":
			state = "failed: " + o.Error
		case o.FinishedAt != nil:
			state = "done"
		}
		lines = append(lines, Line{At: o.StartedAt.UTC(), Kind: Person, Text: fmt.Sprintf("%s ran guichet %s (operation %d): %s", o.By, o.Command, o.ID, state)})
	}
	return lines
}

func streamLine(e Stored) Line {
	line := Line{At: e.StoredAt.UTC(), Kind: Stream, Event: e.ID, Text: e.Type + ": in the stream, not processed yet"}
	line.Notes = []string{storedNote(e)}
	return line
}

func deadLine(e Stored) Line {
	line := Line{At: e.StoredAt.UTC(), Kind: Dead, Event: e.ID, Text: e.Type + ": could not be settled: " + cmp.Or(e.Reason, "no reason is known")}
	line.Notes = []string{storedNote(e)}
	return line
}

func storedNote(e Stored) string {
	note := fmt.Sprintf("%s, sequence %d", e.ID, e.Sequence)
	if !e.Created.IsZero() {
		note += ", made at Stripe " + when(e.Created)
		if !e.ReceivedAt.IsZero() {
			note += ", received " + later(e.ReceivedAt.Sub(e.Created))
		}
	}
	return note
}
