//go:build linux

package chaos

import (
	"time"
)

// kills are programs that end without a word, under load, and are started again as by a supervisor.
func kills() []scenario {
	two := shape{ingesters: 2, workers: 2}
	return []scenario{
		{
			name: "kill -9 a worker", times: counts{3, 100}, shape: two, mailsTwice: 1,
			fault: func(r *run, _ int) {
				w := r.workers[r.random.IntN(len(r.workers))]
				w.kill()
				pause(r.t, r.upTo(300*time.Millisecond))
				w.start()
				w.match(`Worker started`)
			},
		},
		{
			name: "kill -9 the ingester", times: counts{3, 50}, shape: two,
			fault: func(r *run, _ int) {
				in := r.ingesters[r.random.IntN(len(r.ingesters))]
				in.kill()
				in.close()
				pause(r.t, r.upTo(300*time.Millisecond))
				in.start()
				in.open()
			},
		},
		{
			name: "kill -9 nats-server", times: counts{2, 20}, shape: two, refuses: true,
			fault: func(r *run, _ int) {
				r.nats[0].kill()
				pause(r.t, r.upTo(time.Second))
				r.nats[0].start()
				r.nats[0].match(`Server is ready`)
				r.goOn()
			},
		},
		{
			name: "kill -9 PostgreSQL", times: counts{2, 20}, shape: two, mailsTwice: 2, prints: notTaken,
			fault: func(r *run, _ int) {
				if err := r.postgres.kill(); err != nil {
					r.t.Fatal(err)
				}
				pause(r.t, r.upTo(time.Second))
				if err := r.postgres.start(); err != nil {
					r.t.Fatal(err)
				}
				r.goOn()
			},
		},
	}
}

// goOn is a second after a fault is over, in which events are taken again before the next.
func (r *run) goOn() {
	r.healed = time.Now()
	pause(r.t, time.Second)
}
