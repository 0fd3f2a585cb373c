//go:build linux

package chaos

import (
	"context"
	"sync"
	"time"
)

// rolling restarts are announced ends, one service after the other, behind a load balancer that asks for readiness.
func rolling() []scenario {
	return []scenario{{
		name: "SIGTERM to one service after the other", times: counts{4, 20},
		shape: shape{ingesters: 2, workers: 2, env: map[string]string{"DRAIN_DELAY": "1s"}},
		begin: func(r *run) {
			for _, in := range r.ingesters {
				in.balance()
			}
		},
		fault: func(r *run, nth int) {
			in, w := r.ingesters[nth%len(r.ingesters)], r.workers[nth%len(r.workers)]
			w.terminate()
			w.start()
			w.match(`Worker started`)
			in.terminate()
			in.start()
			in.balance()
			eventually(r.t, in.name+" gets requests again", func() error {
				if len(r.doors()) < len(r.ingesters) {
					return errNoDoor
				}
				return nil
			})
		},
		end: func(r *run) {
			if _, _, failed := r.ledger.totals(); failed > 0 {
				r.t.Errorf("%d deliveries were not answered with a 2xx", failed)
			}
		},
	}}
}

// balance has a load balancer look at this life's readiness every 100 ms: it sends nothing to an ingester that is
// not ready. It returns once the life is known.
func (in *ingester) balance() {
	in.t.Helper()
	in.close()
	door, admin, l := "http://"+in.match(`"listen":"([^"]+)"`)+"/stripe/webhooks", in.admin(), in.current()
	ctx, cancel := context.WithCancel(context.Background())
	var looking sync.WaitGroup
	looking.Go(func() {
		defer in.close()
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for was := false; ; {
			is := ready(ctx, admin) == nil
			if was && !is {
				return // it does not come back in this life
			}
			if was = is; is {
				in.mu.Lock()
				in.door = door
				in.mu.Unlock()
			}
			select {
			case <-ctx.Done():
				return
			case <-l.done:
				return
			case <-ticker.C:
			}
		}
	})
	in.t.Cleanup(func() {
		cancel()
		looking.Wait()
	})
}
