package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/deadletter"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

type deadCommand struct {
	List    deadList    `cmd:"" default:"withargs" help:"List the events that could not be settled, and why."`
	Show    deadShow    `cmd:"" help:"Show one whole."`
	Redrive deadRedrive `cmd:"" help:"Put events back into the stream, once what was wrong is mended."`
	Drop    deadDrop    `cmd:"" help:"Delete dead letters for good."`
}

// deadSettings are the last words of the commands' help.
const deadSettings = "Settings (environment): NATS_URL, also as NATS_URL_FILE or as a Docker secret."

// letter is a dead letter as it is printed.
type letter struct {
	Sequence   uint64          `json:"sequence"`
	Event      string          `json:"event"`
	Type       string          `json:"type"`
	Reason     string          `json:"reason"`
	Stream     uint64          `json:"stream_sequence,omitempty"`
	Deliveries uint64          `json:"deliveries,omitempty"`
	ReceivedAt time.Time       `json:"received_at,omitzero"`
	DiedAt     time.Time       `json:"died_at,omitzero"`
	Body       json.RawMessage `json:"body,omitempty"`
}

func describe(l deadletter.Letter) letter {
	died := l.At
	if died.IsZero() {
		died = l.Stored
	}
	return letter{
		Sequence: l.Sequence, Event: l.EventID(), Type: l.EventType(), Reason: l.Reason, Stream: l.Event, Deliveries: l.Deliveries,
		ReceivedAt: l.ReceivedAt(), DiedAt: died,
	}
}

type deadList struct {
	Type  []string `help:"Event type, such as charge.refunded or checkout.session.*; several with commas." placeholder:"TYPE"`
	Since moment   `help:"That died at or after: an age such as 72h or 2d, a date, or a time." placeholder:"WHEN"`
	Limit int      `default:"100" help:"Most to show, the newest (default ${default})." placeholder:"N"`
}

// Help shows an example.
func (deadList) Help() string {
	return `An event becomes a dead letter when it cannot be decoded, or when the database refuses it again and again.
It stays until somebody redrives or drops it.

    guichet dead list
    guichet dead list --type 'charge.*' --since 2d --output json

` + deadSettings
}

// Run lists dead letters.
func (c deadList) Run(ctx context.Context, g globals, s surroundings) error {
	filter := archive.Filter{Types: c.Type, Since: c.Since.Time}
	if err := filter.Validate(); err != nil {
		return usageError{err}
	}
	conn, js, err := g.dialStream(ctx, s)
	if err != nil {
		return err
	}
	defer conn.Close()
	found, err := archive.DeadLetters(js).Newest(ctx, filter, c.Limit, nil)
	if err != nil {
		return err
	}
	letters := make([]letter, 0, len(found))
	rows := [][]string{{"SEQUENCE", "DIED", "TYPE", "EVENT", "DELIVERIES", "REASON"}}
	for _, m := range found {
		l := describe(deadletter.Read(m))
		letters = append(letters, l)
		rows = append(rows, []string{
			strconv.FormatUint(l.Sequence, 10), shown(l.DiedAt), l.Type, l.Event, strconv.FormatUint(l.Deliveries, 10), l.Reason,
		})
	}
	if len(found) == 0 && g.Output != "json" {
		_, err := fmt.Fprintln(s.Stdout, "There are no dead letters.")
		return err
	}
	return g.print(s.Stdout, letters, rows)
}

type deadShow struct {
	Name string `arg:"" help:"The event's id, or the dead letter's sequence."`
	Raw  bool   `help:"Show the body as it came, with all that it tells of a person."`
}

// Help shows an example.
func (deadShow) Help() string {
	return `Without --raw it hides names, addresses and whatever else may tell who the event is about.

    guichet dead show evt_1NG8Du2eZvKYlo2CUI79vXWy
    guichet dead show 12 --raw

` + deadSettings
}

// Run shows a dead letter; of an event that died more than once the last.
func (c deadShow) Run(ctx context.Context, g globals, s surroundings) error {
	conn, js, err := g.dialStream(ctx, s)
	if err != nil {
		return err
	}
	defer conn.Close()
	found, err := deadletter.Select(ctx, js, deadletter.Selection{Names: []string{c.Name}})
	if err != nil {
		return err
	}
	l, err := deadletter.Get(ctx, js, found[len(found)-1].Sequence)
	if err != nil {
		return err
	}
	body := l.Body
	if !c.Raw {
		if body, err = stripeevent.Mask(l.Body); err != nil {
			body = fmt.Appendf(nil, "(%d bytes that are no JSON; --raw shows them)\n", len(l.Body))
		}
	}
	value := describe(l)
	value.Body = body
	if !json.Valid(body) {
		value.Body, _ = json.Marshal(string(body)) // a string always can
	}
	if g.Output == "json" {
		return g.print(s.Stdout, value, nil)
	}
	rows := [][]string{
		{"sequence", strconv.FormatUint(value.Sequence, 10)}, {"event", value.Event}, {"type", value.Type}, {"reason", value.Reason},
		{"received", shown(value.ReceivedAt)}, {"died", shown(value.DiedAt)},
		{"in the stream", fmt.Sprintf("sequence %d; deliveries: %d", value.Stream, value.Deliveries)},
	}
	if err := g.print(s.Stdout, nil, rows); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "\n%s", body)
	return err
}
