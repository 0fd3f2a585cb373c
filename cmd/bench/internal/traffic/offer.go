package traffic

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// offerConnections are enough that a request never waits for one while the handler keeps up.
const offerConnections = 256

// Offered is what came of requests at given times: when each was due, and when it was answered.
type Offered struct {
	Due, Answered []time.Time
}

// Offer posts requests at a mean rate a second, at random times as independent buyers make them, until the
// window is over: whether or not those before have been answered. It returns when all are.
func Offer(ctx context.Context, address string, r *Requests, rate float64, window time.Duration, seed uint64) (Offered, error) {
	all, err := dialAll(ctx, address, offerConnections)
	if err != nil {
		return Offered{}, err
	}
	defer closeAll(all)
	random := rand.New(rand.NewPCG(seed, 5)) // #nosec G404 -- arrivals
	started := time.Now()
	var o Offered
	for at := time.Duration(0); at < window && len(o.Due) < r.Len(); {
		o.Due = append(o.Due, started.Add(at))
		at += time.Duration(random.ExpFloat64() / rate * float64(time.Second))
	}
	o.Answered = make([]time.Time, len(o.Due))
	group, ctx := errgroup.WithContext(ctx)
	due := make(chan int)
	group.Go(func() error {
		defer close(due)
		for i, at := range o.Due {
			sleepUntil(at)
			select {
			case due <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for _, c := range all {
		group.Go(func() error {
			for i := range due {
				if err := c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
					return err
				}
				if err := c.post(r, i); err != nil {
					return err
				}
				o.Answered[i] = time.Now()
			}
			return nil
		})
	}
	return o, group.Wait()
}
