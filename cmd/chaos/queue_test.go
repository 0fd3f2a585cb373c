//go:build linux

package chaos

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// task is something to do at a time; it returns after how long it is to be done again, 0 for never.
type task struct {
	due time.Time
	do  func(ctx context.Context) time.Duration
}

// queue runs tasks when they are due, several at a time, whatever the order in which they came.
type queue struct {
	mu      sync.Mutex
	waiting tasks
	busy    int
	changed chan struct{} // holds a token when something came
}

func newQueue() *queue { return &queue{changed: make(chan struct{}, 1)} }

func (q *queue) add(after time.Duration, do func(ctx context.Context) time.Duration) {
	q.mu.Lock()
	heap.Push(&q.waiting, task{time.Now().Add(after), do})
	q.mu.Unlock()
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// left is how many tasks wait or are being done.
func (q *queue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) + q.busy
}

// run does tasks until ctx ends.
func (q *queue) run(ctx context.Context, hands int) {
	var working sync.WaitGroup
	defer working.Wait()
	work := make(chan task)
	defer close(work)
	for range hands {
		working.Go(func() {
			for t := range work {
				again := t.do(ctx)
				if again > 0 && ctx.Err() == nil {
					q.add(again, t.do)
				}
				q.mu.Lock()
				q.busy--
				q.mu.Unlock()
			}
		})
	}
	for {
		next, wait := q.take()
		if next != nil {
			select {
			case work <- *next:
			case <-ctx.Done():
				return
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-q.changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// take returns the next task that is due, or how long there is none.
func (q *queue) take() (*task, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil, time.Second
	}
	if wait := time.Until(q.waiting[0].due); wait > 0 {
		return nil, wait
	}
	next := heap.Pop(&q.waiting).(task)
	q.busy++
	return &next, 0
}

// tasks is a heap by due time.
type tasks []task

func (t tasks) Len() int           { return len(t) }
func (t tasks) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t tasks) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *tasks) Push(x any)        { *t = append(*t, x.(task)) }
func (t *tasks) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	*t = (*t)[:last]
	return x
}
