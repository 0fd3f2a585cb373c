//go:build linux

package chaos

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// ledger is what the sender wrote down: every event that was really Stripe's, every answer to it, and every
// answer to what was not.
type ledger struct {
	mu        sync.Mutex
	entries   map[string]*entry
	purchases []*purchase
	forgeries []forgery
	problems  []string
}

// entry is one event and the answers to all its deliveries.
type entry struct {
	event   simulate.Event
	poison  bool
	answers []answer
}

// answer is how a delivery ended; a status of 0 is none.
type answer struct {
	At     time.Time     `json:"at"`
	Took   time.Duration `json:"took"`
	Status int           `json:"status"`
}

func (a answer) accepted() bool { return a.Status >= 200 && a.Status < 300 }

// forgery is a request that is none of Stripe's, and the answer to it.
type forgery struct {
	What string `json:"what"`
	answer
}

func newLedger() *ledger { return &ledger{entries: map[string]*entry{}} }

// promise notes an event before it is first sent.
func (l *ledger) promise(e simulate.Event, poison bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[e.ID] = &entry{event: e, poison: poison}
}

// bought notes a purchase whose row is to be there in the end.
func (l *ledger) bought(p *purchase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.purchases = append(l.purchases, p)
}

// note writes an answer down.
func (l *ledger) note(id string, a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[id]
	e.answers = append(e.answers, a)
	if a.Status >= 300 && a.Status != 503 {
		l.problem(e.event.Type + " " + id + " was refused with " + strconv.Itoa(a.Status) + ", which no retry mends")
	}
}

func (l *ledger) noteForgery(f forgery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgeries = append(l.forgeries, f)
	if f.accepted() {
		l.problem(f.What + " was accepted")
	}
}

func (l *ledger) problem(text string) {
	if len(l.problems) < 20 {
		l.problems = append(l.problems, text)
	}
}

// accepted are the ids that were answered with a 2xx, and whether they are poison.
func (l *ledger) accepted() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := map[string]bool{}
	for id, e := range l.entries {
		for _, a := range e.answers {
			if a.accepted() {
				ids[id] = e.poison
			}
		}
	}
	return ids
}

// newlyAccepted are the events that were first delivered after a time and have been accepted. One that was delivered
// before may be stored, whatever its sender heard, and is then answered from memory.
func (l *ledger) newlyAccepted(after time.Time) (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, e := range l.entries {
		if len(e.answers) > 0 && e.answers[0].At.After(after) && slices.ContainsFunc(e.answers, answer.accepted) {
			ids = append(ids, id)
		}
	}
	return ids
}

// tried are the good events of which a delivery has been answered, or has failed.
func (l *ledger) tried() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for id, e := range l.entries {
		if len(e.answers) > 0 && !e.poison {
			ids = append(ids, id)
		}
	}
	return ids
}

// totals are how many events were promised, deliveries were answered, and of these with something other than a 2xx.
func (l *ledger) totals() (events, deliveries, failed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		deliveries += len(e.answers)
		for _, a := range e.answers {
			if !a.accepted() {
				failed++
			}
		}
	}
	return len(l.entries), deliveries, failed
}

// save writes the ledger into a file that outlives the test, one event a line.
func (l *ledger) save(t testing.TB) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.CreateTemp("", "guichet-ledger-*.jsonl") //nolint:usetesting // it outlives the test
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = f.Close() }()
	out := json.NewEncoder(f)
	for id, e := range l.entries {
		_ = out.Encode(map[string]any{"id": id, "type": e.event.Type, "poison": e.poison, "answers": e.answers})
	}
	for _, forged := range l.forgeries {
		_ = out.Encode(forged)
	}
	t.Logf("the ledger is in %s", f.Name())
}
