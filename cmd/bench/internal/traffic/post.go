package traffic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Posted is what came of posting: how many requests in which time, and how long each took.
type Posted struct {
	Requests  int
	Took      time.Duration
	Latencies []time.Duration // sorted
}

// Rate is requests a second.
func (p Posted) Rate() float64 { return float64(p.Requests) / p.Took.Seconds() }

// Quantile is the latency that so much of the requests did not exceed.
func (p Posted) Quantile(q float64) time.Duration { return quantile(p.Latencies, q) }

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// Post has each of so many connections post one request after the other, until the window is over or all are
// posted. The window begins when all are connected.
func Post(ctx context.Context, address string, r *Requests, connections int, window time.Duration) (Posted, error) {
	all, err := dialAll(ctx, address, connections)
	if err != nil {
		return Posted{}, err
	}
	defer closeAll(all)
	var next atomic.Int64
	var mu sync.Mutex
	var done Posted
	group, ctx := errgroup.WithContext(ctx)
	started := time.Now()
	ends := started.Add(window)
	for _, c := range all {
		group.Go(func() error {
			if err := c.SetDeadline(ends.Add(answerTimeout)); err != nil {
				return err
			}
			var latencies []time.Duration
			var last time.Time
			for begin := time.Now(); len(latencies) == 0 || begin.Before(ends); begin = last { // one at least, however short the window
				n := int(next.Add(1)) - 1
				if n >= r.Len() || ctx.Err() != nil {
					break
				}
				if err := c.post(r, n); err != nil {
					return err
				}
				last = time.Now()
				latencies = append(latencies, last.Sub(begin))
			}
			mu.Lock()
			defer mu.Unlock()
			done.Latencies = append(done.Latencies, latencies...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Posted{}, err
	}
	done.Took, done.Requests = time.Since(started), len(done.Latencies)
	if done.Requests == 0 {
		return Posted{}, errors.New("nothing was posted")
	}
	slices.Sort(done.Latencies)
	return done, nil
}

func dialAll(ctx context.Context, address string, n int) (all []*connection, err error) {
	for range n {
		c, err := dial(ctx, address)
		if err != nil {
			closeAll(all)
			return nil, fmt.Errorf("connection %d: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func closeAll(all []*connection) {
	for _, c := range all {
		_ = c.Close()
	}
}
