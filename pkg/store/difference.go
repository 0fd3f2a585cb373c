package store

import (
	"strconv"
	"strings"
	"time"
)

// Kinds of what a Difference is about.
const (
	AboutEvent        = "event"
	AboutRegistration = "registration"
	AboutSeats        = "seats"
)

// FieldFacts names the difference of a registration one of whose facts cannot be read.
const FieldFacts = "facts"

// Difference is a field that is stored other than it should be. Its values are ids, codes, amounts, times and
// Stripe's words; no name and no address.
type Difference struct {
	About    string `json:"about"` // event: a row of the inbox; registration; seats: an event's count of places
	ID       string `json:"id"`
	Field    string `json:"field"`
	Stored   string `json:"stored"`
	ShouldBe string `json:"should_be"`
}

// Absent stands for a value that is not there.
const Absent = "-"

// comparison collects the differences of one object.
type comparison struct {
	about, id string
	found     []Difference
}

// field notes a difference, if there is one.
func (c *comparison) field(name, stored, shouldBe string) {
	if stored != shouldBe {
		c.found = append(c.found, Difference{c.about, c.id, name, orAbsent(stored), orAbsent(shouldBe)})
	}
}

func (c *comparison) flag(name string, stored, shouldBe bool) {
	c.field(name, strconv.FormatBool(stored), strconv.FormatBool(shouldBe))
}

func (c *comparison) list(name string, stored, shouldBe []string) {
	c.field(name, strings.Join(stored, " "), strings.Join(shouldBe, " "))
}

// time compares what PostgreSQL keeps of times: microseconds.
func (c *comparison) time(name string, stored, shouldBe time.Time) {
	if timeText(stored) != timeText(shouldBe) {
		c.field(name, readableTime(stored), readableTime(shouldBe))
	}
}

func readableTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func orAbsent(value string) string {
	if value == "" {
		return Absent
	}
	return value
}
