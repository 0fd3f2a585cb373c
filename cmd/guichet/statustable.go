package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// print writes a look as JSON or for people.
func (r statusReport) print(g globals, w io.Writer) error {
	return g.print(w, r, r.rows())
}

func (r statusReport) rows() [][]string {
	rows := [][]string{{"at", shown(r.At)}}
	if r.Stream != nil {
		rows = append(rows, r.Stream.rows(r.At)...)
	} else {
		rows = append(rows, []string{"stream", "not known: NATS is away"})
	}
	if r.Database == nil {
		return append(rows, []string{"database", "not known: PostgreSQL is away"})
	}
	rows = append(rows, r.Database.rows(r.At)...)
	rows = append(rows, r.Database.eventRows()...)
	return append(rows, r.Database.operationRows(r.At)...)
}

func (s streamStatus) rows(now time.Time) [][]string {
	held := "empty"
	if s.Oldest != nil {
		held = fmt.Sprintf("%d events from %s to %s", s.Events, shown(*s.Oldest), shown(*s.Newest))
	}
	if s.MaxBytes > 0 {
		held += fmt.Sprintf(", %s of %s (%.1f %%)", size(s.Bytes), size(uint64(s.MaxBytes)), 100*float64(s.Bytes)/float64(s.MaxBytes)) // #nosec G115 -- positive
	}
	lag := "all processed"
	if s.Pending+s.InWork > 0 {
		lag = fmt.Sprintf("%d events behind (%d pending, %d in work)", s.Pending+s.InWork, s.Pending, s.InWork)
		if s.Behind != nil {
			lag += ", the oldest stored " + ago(*s.Behind, now)
		}
	}
	if s.Requests == 0 && s.InWork == 0 {
		lag += "; no worker asks for events: is one running?"
	}
	dead := "none"
	if s.Dead > 0 {
		dead = fmt.Sprintf("%d, the newest %s: guichet dead list", s.Dead, ago(*s.NewestDead, now))
	}
	return [][]string{{"stream", held}, {"workers", lag}, {"dead letters", dead}}
}

func (d databaseStatus) rows(now time.Time) [][]string {
	count := func(c store.Count, of string) string {
		mark := ""
		if c.Estimated {
			mark = "~"
		}
		return mark + strconv.FormatInt(c.Count, 10) + " " + of
	}
	inbox := []string{
		count(d.Inbox[store.EventSettled], "settled"), count(d.Inbox[store.EventIgnored], "ignored"),
		count(d.Inbox[store.EventWaiting], "waiting for a registration") + since(d.Unlinked, now),
	}
	outbox := []string{count(d.Outbox[store.MailPending], "pending") + since(d.Mails, now)}
	for _, status := range []store.MailStatus{store.MailFailed, store.MailSuppressed, store.MailSent, store.MailDropped} {
		outbox = append(outbox, count(d.Outbox[status], string(status)))
	}
	var registrations []string
	for _, status := range registration.Statuses() {
		registrations = append(registrations, fmt.Sprintf("%d %s", d.Registrations[string(status)], status))
	}
	rows := [][]string{
		{"inbox", strings.Join(inbox, ", ")}, {"outbox", strings.Join(outbox, ", ")}, {"registrations", strings.Join(registrations, ", ")},
	}
	if d.Due.Count > 0 {
		rows = append(rows, []string{"to settle", fmt.Sprintf("%d registrations that the platform changed%s", d.Due.Count, since(d.Due, now))})
	}
	if d.Overdue.Count > 0 {
		rows = append(rows, []string{"past deadline", fmt.Sprintf("%d registrations%s, which cleanup has not ended yet", d.Overdue.Count, since(d.Overdue, now))})
	}
	return append(rows, d.attentionRow(now), d.disputeRow())
}

func (d databaseStatus) attentionRow(now time.Time) []string {
	if len(d.Attention) == 0 {
		return []string{"attention", "nothing waits for a person"}
	}
	var words []string
	sorted := slices.SortedFunc(slices.Values(d.Attention), func(a, b openFlag) int { return cmp.Compare(a.Flag, b.Flag) })
	for _, f := range sorted {
		words = append(words, fmt.Sprintf("%d %s (%s)", f.Count, f.Flag, ago(f.Since, now)))
	}
	return []string{"attention", strings.Join(words, ", ") + ": guichet attention list, guichet money"}
}

func (d databaseStatus) disputeRow() []string {
	switch {
	case d.Disputes == 0:
		return []string{"disputes", "none open"}
	case d.EvidenceDue == nil:
		return []string{"disputes", fmt.Sprintf("%d open: guichet money", d.Disputes)}
	}
	return []string{"disputes", fmt.Sprintf("%d open, the first wants evidence by %s: guichet money", d.Disputes, shown(*d.EvidenceDue))}
}

func (d databaseStatus) eventRows() [][]string {
	if len(d.Events) == 0 {
		return nil
	}
	rows := [][]string{{""}, {"EVENT", "HELD", "CAPACITY", "FREE", "PAID, WAITING", "TITLE"}}
	for _, e := range d.Events {
		capacity, free := "unlimited", "-"
		if e.Capacity != nil {
			capacity, free = strconv.FormatInt(*e.Capacity, 10), strconv.FormatInt(*e.Capacity-e.Held, 10)
		}
		rows = append(rows, []string{e.ID, strconv.FormatInt(e.Held, 10), capacity, free, strconv.FormatInt(e.Waiting, 10), e.Title})
	}
	return rows
}

func (d databaseStatus) operationRows(now time.Time) [][]string {
	if len(d.Operations) == 0 {
		return nil
	}
	rows := [][]string{{""}, {"OPERATION", "BY", "BEGUN", "STATE"}}
	for _, o := range d.Operations {
		rows = append(rows, []string{o.Command, o.By, shown(o.StartedAt), operationState(o, now)})
	}
	return rows
}

// operationState is how an operation ended, in a word. One without an end may have been cut off.
func operationState(o store.Operation, now time.Time) string {
	switch {
	case o.FinishedAt == nil:
		return "under way, or cut off, for " + short(now.Sub(o.StartedAt))
	case o.Error != "":
		return "failed: " + o.Error
	}
	return "done in " + short(o.FinishedAt.Sub(o.StartedAt))
}

// since says how long the first of what waits has waited.
func since(q queue, now time.Time) string {
	if q.Since == nil {
		return ""
	}
	return " (since " + short(max(now.Sub(*q.Since), 0)) + ")"
}

func ago(t, now time.Time) string { return short(max(now.Sub(t), 0)) + " ago" }

// size is a number of bytes as people are shown it.
func size(bytes uint64) string {
	const step, units = 1000, "kMGTPE"
	if bytes < step {
		return strconv.FormatUint(bytes, 10) + " B"
	}
	value, unit := float64(bytes)/step, 0
	for ; value >= step && unit < len(units)-1; unit++ {
		value /= step
	}
	return fmt.Sprintf("%.1f %cB", value, units[unit])
}
