package archive_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/archive"
	"github.com/educareschool/guichet/pkg/stream"
)

func newest(t *testing.T, a *archive.Archive, f archive.Filter, limit int) []string {
	t.Helper()
	messages, err := a.Newest(t.Context(), f, limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, m := range messages {
		found = append(found, m.EventID())
	}
	return found
}

func TestTheNewestComeLast(t *testing.T) {
	t.Parallel()
	a, _ := archived(t, 30)
	for name, c := range map[string]struct {
		filter archive.Filter
		limit  int
		want   []string
	}{
		"all that are wanted":   {archive.Filter{}, 3, []string{"evt_28", "evt_29", "evt_30"}},
		"of a type":             {archive.Filter{Types: []string{"charge.refunded"}}, 2, []string{"evt_27", "evt_30"}},
		"of a registration":     {archive.Filter{Mentions: []string{"reg-1"}}, 10, []string{"evt_1", "evt_11", "evt_21"}},
		"of a part":             {archive.Filter{From: 5, To: 8}, 3, []string{"evt_6", "evt_7", "evt_8"}},
		"beyond the end":        {archive.Filter{From: 31}, 3, []string{}},
		"since a time to come":  {archive.Filter{Since: time.Now().Add(time.Hour)}, 3, []string{}},
		"until long ago":        {archive.Filter{Until: time.Now().Add(-time.Hour)}, 3, []string{}},
		"since long ago":        {archive.Filter{Since: time.Now().Add(-time.Hour)}, 1, []string{"evt_30"}},
		"until a time to come":  {archive.Filter{Until: time.Now().Add(time.Hour)}, 1, []string{"evt_30"}},
		"none are wanted":       {archive.Filter{}, 0, []string{}},
		"more than there are":   {archive.Filter{To: 2}, 50, []string{"evt_1", "evt_2"}},
		"an id that is unknown": {archive.Filter{IDs: []string{"evt_99"}}, 1, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := newest(t, a, c.filter, c.limit); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheNewestAreBoundedByTime(t *testing.T) {
	t.Parallel()
	a, js := archived(t, 20)
	var stored []time.Time
	for _, id := range []string{"evt_late", "evt_later"} {
		ack, err := js.PublishMsg(t.Context(), stamped(id))
		if err != nil {
			t.Fatal(err)
		}
		m, err := a.Get(t.Context(), ack.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, m.Stored)
	}
	if got := newest(t, a, archive.Filter{Since: stored[0]}, 50); !slices.Equal(got, []string{"evt_late", "evt_later"}) {
		t.Errorf("since its very time: %q", got)
	}
	if got := newest(t, a, archive.Filter{Until: stored[0]}, 1); !slices.Equal(got, []string{"evt_20"}) {
		t.Errorf("until its very time: %q", got)
	}
	if got := newest(t, a, archive.Filter{Since: stored[0], Until: stored[1]}, 50); !slices.Equal(got, []string{"evt_late"}) {
		t.Errorf("between: %q", got)
	}
}

func TestLookingBackwardsGoesNoFurtherThanItMust(t *testing.T) {
	t.Parallel()
	const events = 9000 // two windows, the second wider
	a, _ := archived(t, events)
	var looked, of uint64
	messages, err := a.Newest(t.Context(), archive.Filter{}, 5, func(done, total uint64) { looked, of = done, total })
	if err != nil || len(messages) != 5 || messages[4].Sequence != events {
		t.Fatalf("%d messages (%v)", len(messages), err)
	}
	if looked > 4096 || of != events {
		t.Errorf("it looked at %d of %d", looked, of)
	}
	messages, err = a.Newest(t.Context(), archive.Filter{IDs: []string{"evt_1", "evt_4000", "evt_8999"}}, 3, func(done, total uint64) { looked, of = done, total })
	if err != nil || len(messages) != 3 || messages[0].Sequence != 1 || messages[1].Sequence != 4000 || messages[2].Sequence != 8999 {
		t.Fatalf("%d messages (%v)", len(messages), err)
	}
	if looked != events || of != events {
		t.Errorf("it looked at %d of %d", looked, of)
	}
	if got := newest(t, a, archive.Filter{}, 5000); len(got) != 5000 || got[0] != fmt.Sprintf("evt_%d", events-4999) || got[4999] != fmt.Sprintf("evt_%d", events) {
		t.Errorf("%d, from %s", len(got), got[0])
	}
}

func TestTheNextMessageIsFoundPastWhatWasDeleted(t *testing.T) {
	t.Parallel()
	a, _ := archived(t, 5)
	for _, sequence := range []uint64{1, 3, 4} {
		if err := a.Delete(t.Context(), sequence); err != nil {
			t.Fatal(err)
		}
	}
	for from, want := range map[uint64]uint64{0: 2, 1: 2, 2: 2, 3: 5, 5: 5} {
		if m, err := a.Next(t.Context(), from); err != nil || m.Sequence != want {
			t.Errorf("from %d it is %d (%v), want %d", from, m.Sequence, err, want)
		}
	}
	if _, err := a.Next(t.Context(), 6); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if got := newest(t, a, archive.Filter{Since: time.Now().Add(-time.Hour)}, 9); !slices.Equal(got, []string{"evt_2", "evt_5"}) {
		t.Errorf("got %q", got)
	}
}

func TestAnArchiveThatIsNotThereSaysWhatToRun(t *testing.T) {
	t.Parallel()
	a, js := archived(t, 0)
	if err := js.DeleteStream(t.Context(), stream.Events); err != nil {
		t.Fatal(err)
	}
	_, get := a.Get(t.Context(), 1)
	_, next := a.Next(t.Context(), 1)
	_, all := a.Newest(t.Context(), archive.Filter{}, 1, nil)
	for name, err := range map[string]error{"get": get, "next": next, "newest": all} {
		if err == nil || errors.Is(err, jetstream.ErrStreamNotFound) || err.Error() != "stream STRIPE_EVENTS is not there: run `guichet setup`" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
