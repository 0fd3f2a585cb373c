//go:build linux

package chaos

import (
	"bytes"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// crashes end a worker between two steps that belong together. The moment is caught on the wire: what the worker
// is about to say does not leave, and it is killed.
func crashes() []scenario {
	one := shape{ingesters: 1, workers: 1}
	const rate = 5 // a worker that dies at its first verdicts takes in little: what is sold meanwhile piles up
	return []scenario{
		{
			name: "crash between commit and acknowledgement", times: counts{4, 200}, shape: one, rate: rate, mailsTwice: 1,
			fault: func(r *run, _ int) { r.killBefore("+ACK", r.random.IntN(4)) },
		},
		{
			name: "crash between dead letter and its termination", times: counts{4, 200}, shape: one, rate: rate, mailsTwice: 1,
			fault: func(r *run, _ int) {
				r.sender.poison(20) // until the worker gets one
				r.killBefore("+TERM", 0)
				r.sender.poison(0)
			},
		},
		{
			name: "crash between SMTP's acceptance and commit", times: counts{4, 200}, shape: one, rate: rate, mailsTwice: 1,
			fault: func(r *run, nth int) {
				if nth%2 == 0 {
					r.killBeforeAnswer()
				} else {
					r.killAfterAnswer()
				}
			},
		},
	}
}

// killBefore kills the worker as it tells JetStream a verdict, after so many of the same have gone out: that one and
// whatever comes after it do not. It is then started again.
func (r *run) killBefore(verdict string, let int) {
	w := r.workers[0]
	var mu sync.Mutex
	caught := make(chan struct{})
	done := false
	w.nats[0].watch(func(sent []byte) int {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return 0
		}
		at := 0
		for {
			next := bytes.Index(sent[at:], []byte("\r\n"+verdict))
			if next < 0 {
				return len(sent)
			}
			if let == 0 {
				break
			}
			let--
			at += next + 2 + len(verdict)
		}
		done = true
		w.signal(syscall.SIGKILL)
		close(caught)
		return at // a message that is cut in its middle is none
	})
	r.await(caught, "a verdict "+verdict)
	w.revive(func() {})
}

// killBeforeAnswer kills the worker when its mail has been accepted and before it hears so.
func (r *run) killBeforeAnswer() {
	w := r.workers[0]
	caught := make(chan struct{})
	var once sync.Once
	r.mails.behave(manner{taken: func() {
		once.Do(func() {
			w.signal(syscall.SIGKILL)
			close(caught)
		})
	}})
	r.await(caught, "a mail")
	r.mails.behave(manner{})
	w.revive(r.passDeadClaims)
}

// killAfterAnswer kills the worker when it has heard that its mail was accepted and is about to record it.
func (r *run) killAfterAnswer() {
	w := r.workers[0]
	caught := make(chan struct{})
	var once sync.Once
	r.mails.behave(manner{taken: func() {
		// What the worker says to PostgreSQL from here on does not arrive.
		w.postgres.watch(func([]byte) int { return 0 })
		time.AfterFunc(20*time.Millisecond, func() {
			once.Do(func() {
				w.signal(syscall.SIGKILL)
				close(caught)
			})
		})
	}})
	r.await(caught, "a mail")
	r.mails.behave(manner{})
	w.revive(r.passDeadClaims)
}

// revive starts a program again that was killed, on links as they should be; meanwhile is done while it is dead.
func (w *worker) revive(meanwhile func()) {
	w.t.Helper()
	w.kill()
	links := append(w.nats, w.postgres)
	for _, l := range links {
		l.watch(nil)
		l.set(condition{cut: true})
	}
	meanwhile()
	for _, l := range links {
		l.set(condition{})
	}
	w.start()
	w.match(`Worker started`)
}

// await waits for a moment that the load must bring.
func (r *run) await(moment <-chan struct{}, what string) {
	r.t.Helper()
	select {
	case <-moment:
	case <-time.After(patience):
		r.t.Fatalf("%s did not come", what)
	}
}

// passDeadClaims lets the time of a dead worker's claims be over, once PostgreSQL is done with what it was last told. A worker
// that lives would lose claims of its own, and mail twice.
func (r *run) passDeadClaims() {
	r.t.Helper()
	eventually(r.t, "PostgreSQL hears nothing of the dead worker", func() error {
		if n := r.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'guichet'`); n > 0 {
			return fmt.Errorf("it has %d connections", n)
		}
		return nil
	})
	r.sql(`UPDATE notifications SET leased_until = NULL WHERE status = 'pending' AND leased_until IS NOT NULL`)
}
