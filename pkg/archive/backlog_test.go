package archive_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stream/streamtest"
	"github.com/educareschool/guichet/pkg/waittest"
)

func TestTheBacklogIsWhatNoWorkerHasAcknowledged(t *testing.T) {
	t.Parallel()
	a, js := archived(t, 10)
	waittest.Until(t, time.Minute, "the server has counted what it stored", func() error { return streamtest.Counted(t.Context(), js) })
	want := func(pending, inWork, floor uint64, oldest uint64) {
		t.Helper()
		b, err := a.Backlog(t.Context())
		if err != nil || b.Pending != pending || b.InWork != inWork || b.Floor != floor || b.Events() != pending+inWork {
			t.Errorf("got %+v (%v)", b, err)
		}
		var stored time.Time
		if oldest > 0 {
			m, err := a.Get(t.Context(), oldest)
			if err != nil {
				t.Fatal(err)
			}
			stored = m.Stored
		}
		if !b.Oldest.Equal(stored) {
			t.Errorf("the oldest is of %s, want %s", b.Oldest, stored)
		}
	}
	want(10, 0, 0, 1)
	consumer, err := js.Consumer(t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	fetched, err := consumer.Fetch(4, jetstream.FetchMaxWait(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var messages []jetstream.Msg
	for m := range fetched.Messages() {
		messages = append(messages, m)
	}
	want(6, 4, 0, 1)
	for _, i := range []int{0, 1, 3} { // the third is still in work
		if err := messages[i].DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want(6, 1, 2, 3)
	if err := a.Delete(t.Context(), 3); err != nil { // somebody erased it
		t.Fatal(err)
	}
	fifth, err := a.Get(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, time.Minute, "the oldest is past what was deleted", func() error {
		b, err := a.Backlog(t.Context())
		if err == nil && !b.Oldest.Equal(fifth.Stored) {
			err = fmt.Errorf("%+v", b)
		}
		return err
	})
}

func TestWithoutAConsumerTheBacklogSaysWhatToRun(t *testing.T) {
	t.Parallel()
	a, js := archived(t, 1)
	if err := js.DeleteConsumer(t.Context(), stream.Events, stream.Consumer); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Backlog(t.Context()); err == nil || err.Error() != "consumer worker of stream STRIPE_EVENTS is not there: run `guichet setup`" {
		t.Errorf("got %v", err)
	}
}
