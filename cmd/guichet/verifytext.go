package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/educareschool/guichet/pkg/proof"
)

// summary says what was looked at, and what came of it.
func summary(w io.Writer, r proof.Report) error {
	text := "The stream: no events."
	if r.Messages > 0 {
		text = fmt.Sprintf("The stream: %s, %d to %d, stored %s to %s: %d have the fact that they tell, %d are dead letters, %d are not processed yet.",
			count(r.Messages, "event"), r.First, r.Last, shown(r.FirstStored), shown(r.LastStored), r.Equal, r.DeadLetters, r.NotProcessed)
	}
	text += fmt.Sprintf("\nThe database: %s, %d of them changed just now and not settled yet; the places of %s.\n",
		count(r.Registrations, "registration"), r.NotSettled, count(r.Seats, "event"))
	if r.Differences == 0 {
		text += "Nothing differs.\n"
	} else {
		text += differing(r) + ".\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// differing counts what differs.
func differing(r proof.Report) string {
	text := count(r.Differences, "difference")
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{r.Missing, "missing"}, {r.Differing, "different"}, {r.Misplaced, "wrongly linked"},
	} {
		if p.n > 0 {
			parts = append(parts, count(p.n, p.what+" fact"))
		}
	}
	if r.Unsettled > 0 {
		parts = append(parts, count(r.Unsettled, "wrong registration"))
	}
	if r.Miscounted > 0 {
		parts = append(parts, count(r.Miscounted, "wrong count")+" of places")
	}
	if len(parts) == 0 {
		return text
	}
	return text + ": " + strings.Join(parts, ", ")
}

// question says what a repair would do; it is empty where that is nothing.
func (v verification) question(r proof.Report) string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{r.Missing, "store %s"}, {r.Differing, "rewrite %s"}, {r.Misplaced, "link %s anew"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf(p.what, count(p.n, "fact")))
		}
	}
	if r.Unsettled > 0 {
		parts = append(parts, "settle "+count(r.Unsettled, "registration")+" anew")
	}
	if r.Miscounted > 0 {
		parts = append(parts, "count the places of "+count(r.Miscounted, "event")+" anew")
	}
	if len(parts) == 0 {
		return ""
	}
	mails := "Mails are off: those that it makes wanted are suppressed for good."
	if v.Mails {
		mails = "The mails that it makes wanted are sent."
	}
	return "This would " + strings.Join(parts, ", ") + ", and settle the registrations of the facts. " + mails
}
