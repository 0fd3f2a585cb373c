package archive_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/educareschool/guichet/pkg/archive"
)

func TestBatchesComeInOrderThoughSeveralAreInWork(t *testing.T) {
	t.Parallel()
	const events, size, inWork = 1000, 64, 3
	a, _ := archived(t, events)
	var mu sync.Mutex
	now, most := 0, 0
	first, second := make(chan struct{}), make(chan struct{})
	next, batches := uint64(1), 0
	var looked, total uint64
	err := archive.Batches(t.Context(), a, archive.Filter{}, archive.Batching{Size: size, InWork: inWork, Seen: func(d, n uint64) { looked, total = d, n }},
		func(_ context.Context, batch []archive.Message) ([]archive.Message, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			switch batch[0].Sequence {
			case 1: // it ends after the second, which does not begin its work before it
				close(first)
				<-second
			case size + 1:
				<-first
				close(second)
			}
			mu.Lock()
			now--
			mu.Unlock()
			return batch, nil
		},
		func(batch []archive.Message) error {
			batches++
			for _, m := range batch {
				if m.Sequence != next {
					t.Errorf("sequence %d came when %d was due", m.Sequence, next)
				}
				next++
			}
			return nil
		})
	if err != nil || next != events+1 || batches != (events+size-1)/size || looked != events || total != events {
		t.Errorf("%d messages in %d batches, looked at %d of %d, %v", next-1, batches, looked, total, err)
	}
	if most < 2 || most > inWork {
		t.Errorf("%d batches were in work at once", most)
	}
}

func TestBatchesEndAtTheFirstError(t *testing.T) {
	t.Parallel()
	a, _ := archived(t, 500)
	for name, c := range map[string]struct{ work, each, want error }{
		"of the work":        {work: errors.ErrUnsupported, want: errors.ErrUnsupported},
		"of what comes then": {each: errors.ErrUnsupported, want: errors.ErrUnsupported},
		"enough":             {each: archive.ErrStop},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			err := archive.Batches(t.Context(), a, archive.Filter{}, archive.Batching{Size: 10, InWork: 3},
				func(context.Context, []archive.Message) (int, error) { return 0, c.work },
				func(int) error { calls++; return c.each })
			if !errors.Is(err, c.want) || calls > 1 {
				t.Errorf("%v after %d calls, want %v", err, calls, c.want)
			}
		})
	}
}
