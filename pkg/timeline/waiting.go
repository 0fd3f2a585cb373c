package timeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// state is what the registration is now, in a sentence.
func (t telling) state() string {
	r := t.story.Registration
	if r == nil {
		return t.stateWithout()
	}
	text := named(r.Status, r.Cause)
	if r.SeatHeld {
		text += ", its place is held"
	} else {
		text += ", without a place"
	}
	if len(r.Flags) > 0 {
		text += "; attention: " + strings.Join(r.Flags, ", ")
	}
	if r.Blanked {
		text += "; its personal fields were blanked"
	}
	return text + "."
}

// stateWithout says what becomes of events without a registration.
func (t telling) stateWithout() string {
	all := slices.Concat(t.story.Events, t.beyond.Found)
	for _, e := range all {
		switch {
		case e.Outcome == store.EventWaiting && e.Ref != "":
			return "There is no registration " + e.Ref + ": what names it waits."
		case e.Outcome == store.EventWaiting:
			return "Nothing tells yet whose this is: it waits."
		}
	}
	switch {
	case len(all) > 0 && all[0].RegistrationID != "":
		return "What names it belongs to registration " + all[0].RegistrationID + "."
	case len(all) > 0:
		return "Ignored: " + all[0].Reason + "."
	case len(t.beyond.Dead) > 0:
		return "It could not be settled."
	}
	return "Not processed yet."
}

// waiting are what is being waited for, the most pressing first.
func (t telling) waiting() []string {
	out := t.waitingForWorkers()
	if t.story.Registration == nil {
		out = append(out, t.waitingForRow()...)
	} else {
		out = append(out, t.waitingForMoney()...)
	}
	out = append(out, t.waitingForPeople()...)
	out = append(out, t.waitingForMails()...)
	if len(out) == 0 {
		return []string{"Nothing: it stays so unless something new comes."}
	}
	return out
}

// waitingForWorkers is what takes seconds where a worker runs and keeps up.
func (t telling) waitingForWorkers() []string {
	var out []string
	if n := len(t.beyond.Unprocessed); n > 0 {
		out = append(out, fmt.Sprintf("A worker: %s stored and not processed yet. The workers are %s behind (guichet status).",
			counted(n, "event about it is", "events about it are"), counted(int(min(t.beyond.Behind, 1<<31)), "event", "events"))) // #nosec G115 -- bounded
	}
	if n := len(t.story.Waiting); n > 0 {
		out = append(out, fmt.Sprintf("A worker: %s not linked to it yet, which takes seconds.", counted(n, "event that names it is", "events that name it are")))
	}
	if r := t.story.Registration; r != nil && r.DueAt != nil {
		out = append(out, "A worker: the platform made or changed the row at "+when(*r.DueAt)+", and it is not settled since, which takes seconds.")
	}
	return out
}

// waitingForRow is what events without a registration wait for.
func (t telling) waitingForRow() []string {
	asked := map[string]bool{}
	var out []string
	for _, e := range t.story.Events {
		if e.Outcome != store.EventWaiting || asked[e.Ref] {
			continue
		}
		asked[e.Ref] = true
		if e.Ref != "" {
			out = append(out, "Registration "+e.Ref+": once the platform inserts it, it is settled within seconds. Is it the id that the session's metadata should carry?")
			continue
		}
		text := "What tells whose it is: another event, or Stripe's answer, which a worker with STRIPE_API_KEY asks for."
		if e.Session != "" {
			text += " Setting checkout_session_id to " + e.Session + " on the registration's row ties it."
		}
		if e.AskedAt != nil {
			text += " It asked last at " + when(*e.AskedAt) + "."
		}
		out = append(out, text)
	}
	return out
}

// waitingForMoney is what the status waits for: money, a place, a bank's decision, or the clock.
func (t telling) waitingForMoney() []string {
	r := t.story.Registration
	var out []string
	for _, try := range t.tries {
		for _, d := range try.Disputes {
			text := "The bank's decision on dispute " + d.Dispute + " over " + Money(d.Amount, d.Currency)
			if !d.DueBy.IsZero() {
				text += "; Stripe takes evidence until " + t.deadline(d.DueBy)
			}
			out = append(out, text+".")
		}
	}
	switch {
	case r.Status == registration.PaidStatus && !r.SeatHeld && r.SeatWished:
		out = append(out, "A place at "+r.EventID+": the next that comes free goes to the oldest payment without one. Raise the capacity, or refund.")
	case r.Status == registration.Failed && r.Cause == registration.CausePayment:
		out = append(out, t.waitingAfterFailure(*r))
	case r.Status == registration.Pending:
		out = append(out, t.waitingForPayment(*r))
	}
	return out
}

func (t telling) waitingAfterFailure(r store.Registered) string {
	switch {
	case r.Deadline == nil && !r.SeatHeld:
		return "Another try to pay; its place was released."
	case r.Deadline == nil:
		return "Another try to pay."
	case !r.Deadline.After(t.now):
		return "Cleanup: the time of its place was over at " + when(*r.Deadline) + ". It runs every few minutes, and never ahead of unprocessed events."
	}
	return "Another try to pay, until " + t.deadline(*r.Deadline) + ": then its place is released."
}

func (t telling) waitingForPayment(r store.Registered) string {
	for _, try := range t.tries {
		switch {
		case try.Stands != registration.StandsProcessing:
		case try.Because.Kind == registration.IntentSucceeded:
			return "The event of the session that confirms " + payment(try.Because) + ": the money may be in, and its place has no deadline. `guichet backfill` asks Stripe for events that did not arrive."
		default:
			return "The money of " + payment(try.Because) + ", which is on its way: delayed methods take days, and its place has no deadline till then."
		}
	}
	text := "A payment"
	if len(t.story.Events) == 0 {
		text = "A payment, of which no event has come"
	}
	switch {
	case r.Deadline == nil:
		return text + "."
	case !r.Deadline.After(t.now):
		return "Cleanup: the deadline for a payment was " + when(*r.Deadline) + ". It runs every few minutes, and never ahead of unprocessed events."
	}
	text += ", until " + t.deadline(*r.Deadline) + ": then it expires and its place is released."
	if len(t.story.Events) == 0 {
		text += " `guichet backfill` asks Stripe for events that did not arrive."
	}
	return text
}

// waitingForPeople is what no rule can settle.
func (t telling) waitingForPeople() []string {
	var out []string
	for _, e := range t.beyond.Dead {
		out = append(out, "A person: "+e.ID+" is a dead letter. `guichet dead show "+e.ID+"`, and redrive it once its cause is mended.")
	}
	for _, a := range t.story.Attention {
		if a.ClearedAt == nil && a.AcknowledgedAt == nil {
			out = append(out, fmt.Sprintf("A person: %s (%s). `guichet attention ack %d --note …` once it is seen to.", meaning(a.Flag), a.Flag, a.ID))
		}
	}
	return out
}

func (t telling) waitingForMails() []string {
	var out []string
	for _, m := range t.story.Mails {
		switch m.Status {
		case store.MailPending:
			text := fmt.Sprintf("Mail %d, %s, whose turn is at %s", m.ID, mailName(m), t.deadline(m.SendAfter))
			if m.LastError != "" {
				text += fmt.Sprintf(", after %s: %s", counted(m.Attempts, "try", "tries"), m.LastError)
			}
			out = append(out, text+".")
		case store.MailFailed:
			out = append(out, fmt.Sprintf("A person: mail %d, %s, was given up. `guichet mails retry %d` tries it again.", m.ID, mailName(m), m.ID))
		}
	}
	return out
}

// deadline is a time and how far off it is.
func (t telling) deadline(at time.Time) string {
	if at.After(t.now) {
		return when(at) + " (in " + Span(at.Sub(t.now)) + ")"
	}
	return when(at) + " (" + Span(t.now.Sub(at)) + " ago)"
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
