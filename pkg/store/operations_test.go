package store_test

import (
	"errors"
	"testing"
	"time"
)

func TestAnOperationIsNotedBeforeItBeginsAndWhenItEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, err := f.store.BeginOperation(t.Context(), "replay", "ada@host", map[string]string{"type": "charge.refunded"})
	if err != nil {
		t.Fatal(err)
	}
	f.now = noon.Add(time.Minute)
	second, err := f.store.BeginOperation(t.Context(), "erase", "ada@host", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.store.FinishOperation(t.Context(), first, map[string]int{"events": 3}, errors.New("NATS went away")); err != nil {
		t.Fatal(err)
	}
	all, err := f.store.Operations(t.Context(), "", 10)
	if err != nil || len(all) != 2 || all[0].ID != second || all[0].FinishedAt != nil || !all[0].StartedAt.Equal(f.now) {
		t.Fatalf("got %+v, %v", all, err)
	}
	replays, err := f.store.Operations(t.Context(), "replay", 10)
	if err != nil || len(replays) != 1 {
		t.Fatalf("got %+v, %v", replays, err)
	}
	got := replays[0]
	if got.By != "ada@host" || string(got.Detail) != `{"type": "charge.refunded"}` || string(got.Result) != `{"events": 3}` ||
		got.Error != "NATS went away" || got.FinishedAt == nil || !got.FinishedAt.Equal(f.now) {
		t.Errorf("got %+v", got)
	}
}
