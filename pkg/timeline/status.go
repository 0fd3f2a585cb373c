package timeline

import (
	"strings"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// statusLines tell of each change of status or place, and why.
func (t telling) statusLines() []Line {
	var lines []Line
	before := store.Moved{To: registration.Pending, SeatHeld: true} // as a row is made
	for _, m := range t.story.History {
		lines = append(lines, Line{At: m.At.UTC(), Kind: Status, Event: m.FactID, Text: t.moved(before, m)})
		before = m
	}
	return lines
}

// moved is a change in a sentence: from what to what, what of the place, and the fact that decided it.
func (t telling) moved(before, m store.Moved) string {
	from, to := named(m.From, before.Cause), named(m.To, m.Cause)
	text := from + " → " + to
	if from == to {
		text = "stays " + to
	}
	switch {
	case before.SeatHeld && !m.SeatHeld:
		text += ", its place is released"
	case !before.SeatHeld && m.SeatHeld:
		text += ", it is given a place"
	case !m.SeatHeld && m.To == registration.PaidStatus:
		text += ", without a place: none is left"
	case m.SeatHeld && m.To != registration.PaidStatus:
		text += ", its place stays held"
	}
	return text + t.why(before, m)
}

func named(status registration.Status, cause registration.Cause) string {
	if cause == registration.NoCause || status != registration.Failed {
		return string(status)
	}
	return string(status) + " by " + string(cause)
}

// why names what decided a change, and what had just come when it did.
func (t telling) why(before, m store.Moved) string {
	decisive, known := t.facts[m.FactID]
	news := t.news(m)
	switch {
	case m.From == m.To && m.Cause == before.Cause && !before.SeatHeld && m.SeatHeld && len(news) == 0:
		return ", because one came free"
	case m.From == m.To && m.Cause == before.Cause && len(news) > 0:
		return ", because " + strings.Join(news, "; ")
	case !known && len(news) > 0:
		return ", because " + strings.Join(news, "; ")
	case !known && m.To == registration.Pending:
		return ", because nothing is known yet of its present session"
	case !known:
		return ", because the row changed"
	}
	text := ", because " + reason(m, decisive)
	if !t.cameThen(m.FactID, m) && len(news) > 0 {
		text += " (what came: " + strings.Join(news, "; ") + ")"
	}
	return text
}

// reason is the decisive fact as a reason for what became.
func reason(m store.Moved, f registration.Fact) string {
	if m.To == registration.PaidStatus && f.Source != registration.FromLookup && f.Amount > 0 {
		text := "the payment of " + Money(f.Amount, f.Currency) + " with " + payment(f) + " stands"
		if m.From == registration.Expired || m.From == registration.Canceled {
			text += ", and restores it"
		}
		return text
	}
	return says(f)
}

// news are what the facts tell that were stored with a change, other than the one that decided it.
func (t telling) news(m store.Moved) []string {
	var out []string
	for _, e := range t.story.Events {
		if e.ID != m.FactID && e.StoredAt.Equal(m.At) {
			out = append(out, says(t.facts[e.ID]))
		}
	}
	return out
}

// cameThen says whether an event was stored with a change.
func (t telling) cameThen(id string, m store.Moved) bool {
	for _, e := range t.story.Events {
		if e.ID == id {
			return e.StoredAt.Equal(m.At)
		}
	}
	return false
}
