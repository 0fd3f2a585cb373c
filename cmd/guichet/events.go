package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/stream"
)

type eventsCommand struct {
	List eventsList `cmd:"" default:"withargs" help:"List events that the stream holds, newest last."`
	Show eventsShow `cmd:"" help:"Show an event whole, with its headers and what became of it."`
}

type eventsList struct {
	picks
	Limit int `default:"50" help:"Most events to show: the newest (default ${default})." placeholder:"N"`
}

// Help shows examples.
func (eventsList) Help() string {
	return `It reads the stream from its end backwards, so that what is recent is found at once in a stream of millions.
An event is found by what it names itself: a dispute names its charge and its intent, not its registration. What
belongs to a registration, whatever names it, is what 'guichet trace' shows.

    guichet events --since 2h --type 'charge.*'
    guichet events list --registration reg-1 --output json
    guichet events --since 2026-03-01 --until 2026-03-02 --limit 1000

Settings (environment): NATS_URL, also as NATS_URL_FILE or as a Docker secret.`
}

// listed is an event as the list shows it.
type listed struct {
	Sequence     uint64    `json:"sequence"`
	StoredAt     time.Time `json:"stored_at"`
	Created      time.Time `json:"created,omitzero"`
	Type         string    `json:"type"`
	Event        string    `json:"event"`
	Object       string    `json:"object,omitempty"`
	Registration string    `json:"registration,omitempty"`
	Account      string    `json:"account,omitempty"`
	Livemode     bool      `json:"livemode"`
}

func readListed(m archive.Message) listed {
	object := gjson.GetBytes(m.Body, "data.object")
	return listed{
		Sequence: m.Sequence, StoredAt: m.Stored.UTC(), Created: m.CreatedAt(), Type: m.EventType(), Event: m.EventID(),
		Object: object.Get("id").Str, Registration: object.Get("metadata.registrationId").Str,
		Account: m.Header.Get(stream.HeaderAccount), Livemode: m.Header.Get(stream.HeaderLivemode) == "true",
	}
}

// Run lists events.
func (c eventsList) Run(ctx context.Context, g globals, s surroundings) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.Limit < 1 {
		return usageError{errors.New("--limit must be at least 1")}
	}
	conn, js, err := g.dialStream(ctx, s)
	if err != nil {
		return err
	}
	defer conn.Close()
	line := s.progress("events")
	found, err := archive.Events(js).Newest(ctx, filter, c.Limit, line.at)
	line.end()
	if err != nil {
		return err
	}
	out := make([]listed, 0, len(found))
	rows := [][]string{{"SEQUENCE", "STORED", "DELAY", "TYPE", "EVENT", "REGISTRATION", "OBJECT"}}
	for _, m := range found {
		l := readListed(m)
		out = append(out, l)
		rows = append(rows, []string{
			strconv.FormatUint(l.Sequence, 10), shown(l.StoredAt), l.delay(), l.Type, l.Event, cmp.Or(l.Registration, "-"), cmp.Or(l.Object, "-"),
		})
	}
	if len(out) == 0 && g.Output != "json" {
		_, err := fmt.Fprintln(s.Stdout, "No event in the stream is such.")
		return err
	}
	if len(out) == c.Limit {
		_, _ = fmt.Fprintf(s.Stderr, "These are the newest %d: there may be more, which --limit shows.\n", c.Limit)
	}
	return g.print(s.Stdout, out, rows)
}

// delay is how long the event took from Stripe to the stream; Stripe tells whole seconds.
func (l listed) delay() string {
	if l.Created.IsZero() {
		return "-"
	}
	return short(max(l.StoredAt.Sub(l.Created), 0).Truncate(time.Second))
}
