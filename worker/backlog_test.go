package worker

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/educareschool/guichet/pkg/store"
)

var dawn = time.Date(2026, 3, 10, 6, 0, 0, 0, time.UTC)

func TestTheOldestUnprocessedEventIsThereSinceTheStreamWasFirstSeenToReachIt(t *testing.T) {
	t.Parallel()
	type look struct {
		minute      int
		floor, last uint64
		since       int // minute; -1 for nothing that waits
	}
	for name, looks := range map[string][]look{
		"nothing waits":                           {{0, 0, 0, -1}, {1, 10, 10, -1}, {2, 20, 20, -1}},
		"what was there at the start":             {{0, 5, 10, 0}, {1, 5, 10, 0}, {2, 9, 10, 0}, {3, 10, 10, -1}},
		"what came later counts from then":        {{0, 0, 10, 0}, {1, 0, 20, 0}, {2, 10, 20, 1}, {3, 15, 25, 1}, {4, 20, 25, 3}, {5, 25, 25, -1}},
		"it waits again after all was done":       {{0, 0, 10, 0}, {1, 10, 10, -1}, {2, 10, 11, 2}, {3, 10, 11, 2}},
		"another stream of the same name":         {{0, 0, 100, 0}, {1, 0, 3, 1}, {2, 0, 4, 1}, {3, 3, 4, 2}},
		"one event is late, those after it done":  {{0, 7, 8, 0}, {1, 7, 500, 0}, {2, 7, 900, 0}, {3, 900, 900, -1}},
		"several marks are passed in a single go": {{0, 0, 1, 0}, {1, 0, 2, 0}, {2, 0, 3, 0}, {3, 2, 3, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b backlog
			for _, l := range looks {
				want := time.Time{}
				if l.since >= 0 {
					want = dawn.Add(time.Duration(l.since) * time.Minute)
				}
				if got := b.look(dawn.Add(time.Duration(l.minute)*time.Minute), l.floor, l.last); !got.Equal(want) {
					t.Errorf("at minute %d it is %s, want %s", l.minute, got, want)
				}
			}
		})
	}
}

// The age is never too large by more than the time between two looks, and never larger than the truth where
// the truth is known: a backlog that goes on growing costs accuracy, not memory, and only downwards.
func TestTheAgeOfTheBacklogIsAtMostTheTruthInBoundedMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b backlog
		var floor, last uint64
		arrived := map[uint64]time.Time{}
		for i := range rapid.IntRange(1, 200).Draw(t, "looks") {
			now := dawn.Add(time.Duration(i) * watchInterval)
			for range rapid.IntRange(0, 3).Draw(t, "events") {
				last++
				arrived[last] = now
			}
			floor += uint64(rapid.IntRange(0, 3).Draw(t, "processed"))
			floor = min(floor, last)
			since := b.look(now, floor, last)
			truth, waits := arrived[floor+1]
			if waits != !since.IsZero() || waits && !since.Equal(truth) {
				t.Fatalf("look %d: since %s, in truth %s", i, since, truth)
			}
		}
	})
	var b backlog
	for i := range 10 * backlogMarks {
		since := b.look(dawn.Add(time.Duration(i)*watchInterval), 0, uint64(i+1))
		if !since.Equal(dawn) || len(b.marks) > backlogMarks {
			t.Fatalf("look %d: since %s, %d marks", i, since, len(b.marks))
		}
	}
	half := b.look(dawn.Add(time.Hour*100), 5*backlogMarks, 10*backlogMarks)
	if truth := dawn.Add(5 * backlogMarks * watchInterval); half.Before(truth) || half.IsZero() {
		t.Errorf("since %s, in truth %s", half, truth)
	}
}

func TestTheBacklogsAgeCountsFromReceiptWhereTheWorkerHoldsTheEvent(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	w := newWatch(registry, newHeld(nopLog()))
	state := func(pending uint64, inWork int) *jetstream.ConsumerInfo {
		return &jetstream.ConsumerInfo{
			Delivered: jetstream.SequenceInfo{Stream: 10}, AckFloor: jetstream.SequenceInfo{Stream: 10 - uint64(inWork)},
			NumPending: pending, NumAckPending: inWork,
		}
	}
	ages := func(least, most time.Duration) {
		t.Helper()
		if got := time.Duration(w.age() * float64(time.Second)); got < least || got > most {
			t.Errorf("the age is %s, want from %s to %s", got, least, most)
		}
	}
	w.look(state(0, 0), time.Now())
	ages(0, 0)
	w.look(state(3, 2), time.Now().Add(-time.Minute))
	ages(time.Minute, 2*time.Minute)
	w.held.add(&message{event: store.Received{ReceivedAt: time.Now().Add(-time.Hour)}})
	w.held.add(&message{event: store.Received{ReceivedAt: time.Now()}})
	w.held.add(&message{})
	w.look(state(3, 2), time.Now())
	ages(time.Hour, 61*time.Minute)
	if lag, pending, inWork := testutil.ToFloat64(w.lag), testutil.ToFloat64(w.pending), testutil.ToFloat64(w.inWork); lag != 5 || pending != 3 || inWork != 2 {
		t.Errorf("lag %v, pending %v, in work %v", lag, pending, inWork)
	}
	w.look(state(0, 0), time.Now())
	ages(0, 0)
}
