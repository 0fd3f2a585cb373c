// Package timeline tells, in sentences, what happened to a registration, why, and what is waited for. It is pure:
// what is told is given, the time too. It names nobody.
package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// Kind says what a line is about.
type Kind string

// The kinds, in the order of what happens at one time: an event comes, which changes the status, and so on.
const (
	Row       Kind = "row"       // the platform made or changed it
	Event     Kind = "event"     // of Stripe's
	Clock     Kind = "clock"     // a fact that Guichet's clock made
	Answer    Kind = "answer"    // a fact that Stripe told when it was asked
	Status    Kind = "status"    // it changed
	Attention Kind = "attention" // raised, cleared or seen to
	Mail      Kind = "mail"      // and what became of it
	Person    Kind = "person"    // somebody used the tool
	Stream    Kind = "stream"    // an event is stored, and not processed yet
	Dead      Kind = "dead"      // an event could not be settled
)

var kinds = []Kind{Row, Event, Clock, Answer, Status, Attention, Mail, Person, Stream, Dead}

// Line is one thing that happened.
type Line struct {
	At    time.Time `json:"at"`
	Kind  Kind      `json:"kind"`
	Text  string    `json:"text"`
	Notes []string  `json:"notes,omitempty"`
	Event string    `json:"event,omitempty"` // the event that it is about
}

// Stored is an event that the stream holds and the inbox does not.
type Stored struct {
	ID, Type            string
	Sequence            uint64
	Created, ReceivedAt time.Time // zero where they are not known
	StoredAt            time.Time
	// Reason is why it became a dead letter; empty for one that is not processed yet.
	Reason string
}

// Beyond is what the streams tell about a registration beside its own facts.
type Beyond struct {
	Unprocessed []Stored
	Dead        []Stored
	Behind      uint64 // how many events, whosever, the workers have not processed
	// Found are processed events that name it and are not its own: ignored, or another's.
	Found []store.Entry
}

// Payment is one try to pay.
type Payment struct {
	Stands  registration.Standing `json:"stands"`
	Amount  string                `json:"amount,omitempty"` // that was paid with it
	Current bool                  `json:"current"`          // of the present session, or may be
	Session string                `json:"session,omitempty"`
	Intent  string                `json:"intent,omitempty"`
	Charge  string                `json:"charge,omitempty"`
}

// Account is what is told.
type Account struct {
	Lines    []Line    `json:"timeline"`
	Payments []Payment `json:"payments"`
	// State is what the registration is now, and Waiting what is being waited for, in sentences.
	State   string   `json:"state"`
	Waiting []string `json:"waiting"`
}

// telling is one story being told.
type telling struct {
	story  store.Story
	beyond Beyond
	now    time.Time
	facts  map[string]registration.Fact // by event id
	tries  []registration.Try
}

// Tell tells a story as of now.
func Tell(story store.Story, beyond Beyond, now time.Time) (Account, error) {
	t := telling{story: story, beyond: beyond, now: now, facts: map[string]registration.Fact{}}
	var known []registration.Fact
	for _, e := range slices.Concat(story.Events, story.Waiting, beyond.Found) {
		f, err := e.Fact()
		if err != nil {
			return Account{}, err
		}
		t.facts[e.ID] = f
		if r := story.Registration; r != nil && e.RegistrationID == r.ID {
			known = append(known, f)
		}
	}
	a := Account{Payments: []Payment{}}
	if r := story.Registration; r != nil {
		t.tries = registration.Tries(r.Core(), known)
		a.Payments = payments(t.tries)
	}
	a.Lines = t.lines()
	a.State, a.Waiting = t.state(), t.waiting()
	return a, nil
}

// lines are all that happened, in their order.
func (t telling) lines() []Line {
	lines := t.rowLines()
	for _, e := range slices.Concat(t.story.Events, t.story.Waiting, t.beyond.Found) {
		lines = append(lines, t.eventLine(e))
	}
	lines = append(lines, t.statusLines()...)
	lines = append(lines, t.attentionLines()...)
	for _, m := range t.story.Mails {
		lines = append(lines, t.mailLine(m))
	}
	lines = append(lines, t.personLines()...)
	for _, e := range t.beyond.Unprocessed {
		lines = append(lines, streamLine(e))
	}
	for _, e := range t.beyond.Dead {
		lines = append(lines, deadLine(e))
	}
	slices.SortStableFunc(lines, func(a, b Line) int {
		return cmp.Or(a.At.Compare(b.At), slices.Index(kinds, a.Kind)-slices.Index(kinds, b.Kind))
	})
	return lines
}

func payments(tries []registration.Try) []Payment {
	out := []Payment{}
	for _, try := range tries {
		if try.Session == "" && try.Intent == "" && try.Charge == "" { // the clock ended a time without any
			continue
		}
		p := Payment{Stands: try.Stands, Current: try.Current, Session: try.Session, Intent: try.Intent, Charge: try.Charge}
		if try.Paid != nil {
			p.Amount = Money(try.Paid.Amount, try.Paid.Currency)
		}
		out = append(out, p)
	}
	return out
}

// Row is the payment as a line of a table: payment, standing, amount, session, charge.
func (p Payment) Row() []string {
	stands := string(p.Stands)
	if !p.Current {
		stands += ", of an earlier session"
	}
	return []string{cmp.Or(p.Intent, "-"), stands, cmp.Or(p.Amount, "-"), cmp.Or(p.Session, "-"), cmp.Or(p.Charge, "-")}
}

// Heading names what the account is about.
func (a Account) Heading(id string, r *store.Registered) string {
	if r == nil {
		return id + ": no registration"
	}
	text := fmt.Sprintf("Registration %s for %q (%s)", r.ID, r.EventTitle, r.EventID)
	if r.AmountDue != nil {
		text += ", " + Money(*r.AmountDue, r.Currency) + " due"
	}
	if id != r.ID {
		text += ", of " + id
	}
	return text
}
