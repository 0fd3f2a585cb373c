//go:build linux

package chaos

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// result is one row of the table.
type result struct {
	fault                     string
	times                     int
	events, deliveries, again int
	lost, doubled, mailsTwice int
	caughtUp                  time.Duration // 0 where nothing was to be caught up with
}

// String is the row's line in the table.
func (r result) String() string {
	caughtUp := "-"
	if r.caughtUp > 0 {
		caughtUp = r.caughtUp.Round(100 * time.Millisecond).String()
	}
	return fmt.Sprintf("%-56s %6d %7d %10d %8d %5d %8d %12d %10s\n",
		r.fault, r.times, r.events, r.deliveries, r.again, r.lost, r.doubled, r.mailsTwice, caughtUp)
}

// report gathers results as scenarios end.
type report struct {
	mu    sync.Mutex
	begun map[string]bool
	rows  map[string]result
	notes []string
}

func newReport() *report { return &report{begun: map[string]bool{}, rows: map[string]result{}} }

// begin notes that a row is to come: a scenario that does not reach its end has none, and is not to be forgotten.
func (r *report) begin(fault string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun[fault] = true
}

// add keeps a row for the table, and prints it: a long run that is broken off has shown what it had.
func (r *report) add(row result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows[row.fault] = row
	fmt.Print(row)
}

// note adds a figure that is none of the table's.
func (r *report) note(fault, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fault+": "+fmt.Sprintf(format, args...))
}

// table is what was begun, in an order of all, and the notes.
func (r *report) table(order []string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.begun) == 0 {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-56s %6s %7s %10s %8s %5s %8s %12s %10s\n",
		"FAULT", "TIMES", "EVENTS", "DELIVERIES", "REFUSED", "LOST", "DOUBLED", "MAILS TWICE", "CAUGHT UP")
	for _, fault := range order {
		row, ended := r.rows[fault]
		if !r.begun[fault] {
			continue
		}
		if !ended {
			fmt.Fprintf(&out, "%-56s did not come to its end\n", fault)
			continue
		}
		out.WriteString(row.String())
	}
	for _, note := range r.notes {
		fmt.Fprintf(&out, "\n%s", note)
	}
	return out.String() + "\n"
}
