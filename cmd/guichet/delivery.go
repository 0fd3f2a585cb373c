package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// delivery is what trigger tells: the event that was sent, and the answer to it.
type delivery struct {
	Event        string          `json:"event"`
	Type         string          `json:"type"`
	Created      time.Time       `json:"created"`
	Object       string          `json:"object,omitempty"`
	Registration string          `json:"registration,omitempty"`
	Session      string          `json:"session"`
	Intent       string          `json:"intent"`
	URL          string          `json:"url"`
	Signed       bool            `json:"signed"`
	Status       int             `json:"status"`
	Answer       json.RawMessage `json:"answer"`
	Milliseconds int64           `json:"milliseconds"`
}

func (d delivery) accepted() bool { return d.Status >= 200 && d.Status < 300 }

func (d delivery) rows() [][]string {
	to := d.URL
	if !d.Signed {
		to += "  (not signed: no secret is set)"
	}
	rows := [][]string{{"sent", d.Type}, {"event", d.Event}}
	for _, r := range [][]string{{"object", d.Object}, {"registration", d.Registration}, {"session", d.Session}, {"intent", d.Intent}} {
		if r[1] != "" {
			rows = append(rows, r)
		}
	}
	return append(rows,
		[]string{"to", to},
		[]string{"answer", fmt.Sprintf("%d %s, in %d ms", d.Status, http.StatusText(d.Status), d.Milliseconds)},
		[]string{"", d.said()},
	)
}

// said is the answer's body in the words that it has for people: of a refusal its explanation, alone.
func (d delivery) said() string {
	var refusal struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(d.Answer, &refusal) == nil && refusal.Error.Message != "" {
		return refusal.Error.Message
	}
	var text string
	if json.Unmarshal(d.Answer, &text) == nil {
		return text
	}
	return strings.TrimSpace(string(d.Answer))
}

// listTypes shows what can be sent.
func listTypes(g globals, s surroundings) error {
	type row struct {
		Type  string `json:"type"`
		About string `json:"about"`
	}
	var value []row
	rows := [][]string{{"TYPE", "ABOUT"}}
	for _, k := range simulate.Catalog() {
		value = append(value, row{k.Type, k.About})
		rows = append(rows, []string{k.Type, k.About})
	}
	return g.print(s.Stdout, value, rows)
}
