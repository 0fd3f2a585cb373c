//go:build linux

package chaos

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// A naive reading of the design's tables, from the bytes that were sent to what the row must say. It shares
// nothing with the services: its own decoding, its own grouping, its own rules.

// outcome is what a registration must come to.
type outcome struct {
	status, cause string
	seat, removed bool // seat is the wish for one
}

// told is an event as this model reads it.
type told struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Created int64  `json:"created"`
	Data    struct {
		Object struct {
			ID            string  `json:"id"`
			Object        string  `json:"object"`
			Created       int64   `json:"created"`
			PaymentIntent *string `json:"payment_intent"`
			Charge        *string `json:"charge"`
			LatestCharge  *string `json:"latest_charge"`
			PaymentStatus string  `json:"payment_status"`
			Status        string  `json:"status"`
			Refunded      bool    `json:"refunded"`
			AmountTotal   int64   `json:"amount_total"`
		} `json:"object"`
	} `json:"data"`
}

func (e told) is(kinds ...string) bool { return slices.Contains(kinds, e.Type) }

// names are the ids of the objects that an event is about.
func (e told) names() []string {
	o := e.Data.Object
	names := []string{o.ID}
	for _, p := range []*string{o.PaymentIntent, o.Charge, o.LatestCharge} {
		if p != nil {
			names = append(names, *p)
		}
	}
	return names
}

// matters says whether an event of this type tells anything of a payment.
func (e told) matters() bool {
	return e.is("checkout.session.completed", "checkout.session.expired", "checkout.session.async_payment_succeeded",
		"checkout.session.async_payment_failed", "payment_intent.payment_failed", "payment_intent.requires_action",
		"payment_intent.canceled", "payment_intent.succeeded", "charge.dispute.created", "charge.dispute.closed", "charge.refunded")
}

func (e told) paid() bool {
	return e.is("checkout.session.async_payment_succeeded") || e.is("checkout.session.completed") && e.Data.Object.PaymentStatus != "unpaid"
}

// attempts groups events that name a common object, directly or through others.
func attempts(events []told) [][]told {
	var groups [][]told
	for _, e := range events {
		merged := []told{e}
		groups = slices.DeleteFunc(groups, func(g []told) bool {
			common := slices.ContainsFunc(g, func(other told) bool {
				return slices.ContainsFunc(e.names(), func(name string) bool { return slices.Contains(other.names(), name) })
			})
			if common {
				merged = append(merged, g...)
			}
			return common
		})
		groups = append(groups, merged)
	}
	return groups
}

// foretell says what a purchase must come to, given all its events.
func foretell(p *purchase) outcome {
	var events []told
	for _, e := range p.events {
		events = append(events, read(e))
	}
	return settle(p, slices.DeleteFunc(events, func(e told) bool { return !e.matters() }))
}

func read(e simulate.Event) told {
	var t told
	if err := json.Unmarshal(e.Body, &t); err != nil {
		panic(fmt.Sprintf("the shop wrote no event: %v", err)) // a mistake of this package
	}
	return t
}

func settle(p *purchase, events []told) outcome {
	all, current := map[string]bool{}, map[string]bool{}
	for _, attempt := range attempts(events) {
		phase := phaseOf(attempt)
		all[phase] = true
		if isCurrent(p, attempt) {
			current[phase] = true
		}
	}
	switch {
	case all["good"]:
		return outcome{status: "PAID", seat: true}
	case all["disputed"]:
		undisputed := settle(p, slices.DeleteFunc(slices.Clone(events), func(e told) bool { return e.is("charge.dispute.created") }))
		undisputed.status, undisputed.cause = "FAILED", "dispute"
		return undisputed
	case all["processing"]:
		return outcome{status: "PENDING", seat: true}
	case current["lost"]:
		return outcome{status: "FAILED", cause: "dispute"}
	case current["refunded"]:
		return outcome{status: "REFUNDED"}
	case current["canceled"]:
		return outcome{status: "CANCELED", removed: true}
	case current["expired"]:
		return outcome{status: "EXPIRED", removed: true}
	case current["failed"]:
		return outcome{status: "FAILED", cause: "payment", seat: true} // its 24 hours are not over in any of these stories
	}
	return outcome{status: "PENDING", seat: true}
}

// phaseOf is the first row of the design's table of attempts that applies.
func phaseOf(attempt []told) string {
	has := func(test func(told) bool) bool { return slices.ContainsFunc(attempt, test) }
	hasType := func(kinds ...string) bool { return has(func(e told) bool { return e.is(kinds...) }) }
	latest := func(test func(told) bool) int64 {
		at := int64(-1)
		for _, e := range attempt {
			if test(e) {
				at = max(at, e.Created)
			}
		}
		return at
	}
	closed := func(with string) bool {
		return has(func(e told) bool {
			return e.is("charge.dispute.closed") && (with == "" || e.Data.Object.Status == with)
		})
	}
	fully := has(func(e told) bool { return e.is("charge.refunded") && e.Data.Object.Refunded })
	unpaidAt := latest(func(e told) bool { return e.is("checkout.session.completed") && !e.paid() })
	failedAt := latest(func(e told) bool { return e.is("payment_intent.payment_failed") })
	ended := hasType("checkout.session.async_payment_failed", "payment_intent.canceled")
	unpaid := unpaidAt >= 0 && failedAt < unpaidAt
	switch {
	case hasType("charge.dispute.created") && !closed(""):
		return "disputed"
	case closed("lost"):
		return "lost"
	case has(told.paid) && fully:
		return "refunded"
	case has(told.paid):
		return "good"
	case !ended && (unpaid || hasType("payment_intent.succeeded")):
		return "processing"
	case hasType("payment_intent.canceled"):
		return "canceled"
	case hasType("checkout.session.expired"):
		return "expired"
	case hasType("payment_intent.payment_failed", "checkout.session.async_payment_failed") &&
		max(failedAt, latest(func(e told) bool { return e.is("checkout.session.async_payment_failed") })) >= latest(func(e told) bool { return e.is("payment_intent.requires_action") }):
		return "failed"
	}
	return "open"
}

// isCurrent says whether an attempt may be that of the session on the row.
func isCurrent(p *purchase, attempt []told) bool {
	session := p.current()
	if session == nil {
		return true
	}
	known := false
	for _, e := range attempt {
		for _, name := range e.names() {
			if name == session.Session {
				return true
			}
			known = known || strings.HasPrefix(name, "cs_")
		}
	}
	if known {
		return false
	}
	return !slices.ContainsFunc(attempt, func(e told) bool {
		made := time.Unix(e.Data.Object.Created, 0)
		return e.Data.Object.Object == "payment_intent" && session.SessionCreated.Sub(made) > time.Minute
	})
}
