//go:build linux

package chaos

import (
	"syscall"
	"time"
)

// outage is how long a network is out, at each scale.
func (r *run) outage() time.Duration {
	if scaleOf(r.t) == long {
		return 30 * time.Second
	}
	return 8 * time.Second
}

// networks are slow, cut and silent ones, between the services and what they stand on.
func networks() []scenario {
	two := shape{ingesters: 2, workers: 2}
	toNATS := func(r *run) []*link {
		var all []*link
		for _, s := range r.services() {
			all = append(all, s.nats...)
		}
		return all
	}
	toPostgres := func(r *run) []*link {
		var all []*link
		for _, w := range r.workers {
			all = append(all, w.postgres)
		}
		return all
	}
	during := func(links func(r *run) []*link, c condition) func(r *run, nth int) {
		return func(r *run, _ int) {
			for _, l := range links(r) {
				l.set(c)
			}
			pause(r.t, r.outage())
			for _, l := range links(r) {
				l.set(condition{})
			}
		}
	}
	slow, slower := condition{delay: 100 * time.Millisecond}, condition{delay: time.Second} // each way
	cut, hole := condition{cut: true}, condition{hole: true}
	return []scenario{
		{name: "NATS 200 ms away", times: counts{1, 1}, shape: two, fault: during(toNATS, slow)},
		{name: "NATS 2 s away", times: counts{1, 1}, shape: two, fault: during(toNATS, slower)},
		{name: "NATS cut off", times: counts{1, 5}, shape: two, refuses: true, fault: during(toNATS, cut)},
		{name: "NATS a black hole", times: counts{1, 5}, shape: two, refuses: true, fault: during(toNATS, hole)},
		{name: "PostgreSQL 200 ms away", times: counts{1, 1}, shape: two, mailsTwice: 2, fault: during(toPostgres, slow)},
		{name: "PostgreSQL 2 s away", times: counts{1, 1}, shape: two, mailsTwice: 2, fault: during(toPostgres, slower)},
		{name: "PostgreSQL cut off", times: counts{1, 5}, shape: two, mailsTwice: 2, prints: notTaken, fault: during(toPostgres, cut)},
		{name: "PostgreSQL a black hole", times: counts{1, 5}, shape: two, mailsTwice: 2, fault: during(toPostgres, hole)},
		{
			name: "a worker stopped (SIGSTOP) beyond AckWait", times: counts{1, 20}, shape: two,
			fault: func(r *run, _ int) { // the other one gets its events, and then it goes on with them
				w := r.workers[r.random.IntN(len(r.workers))]
				w.signal(syscall.SIGSTOP)
				pause(r.t, 17*time.Second)
				w.signal(syscall.SIGCONT)
			},
		},
	}
}
