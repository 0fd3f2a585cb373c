//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"time"

	"github.com/educareschool/guichet/pkg/stream"
)

var errNoDoor = errors.New("it gets none yet")

// clusters are three nats-servers that hold every event three times.
func clusters() []scenario {
	three := shape{cluster: true, ingesters: 2, workers: 2}
	return []scenario{
		{
			name: "cluster of three: kill -9 each in turn", times: counts{3, 20}, shape: three,
			fault: func(r *run, nth int) { r.killNode(nth % 3) },
		},
		{
			name: "cluster of three: kill -9 the leader", times: counts{2, 20}, shape: three,
			fault: func(r *run, _ int) { r.killNode(r.leader()) },
		},
		{
			name: "cluster of three: kill -9 two of three", times: counts{1, 20}, shape: three, refuses: true,
			fault: func(r *run, nth int) {
				first, second := nth%3, (nth+1)%3
				r.nats[first].kill()
				r.nats[second].kill()
				began := time.Now()
				pause(r.t, 8*time.Second) // without a quorum, and for longer than a request waits for one
				for _, id := range r.ledger.newlyAccepted(began) {
					r.t.Errorf("%s was accepted while no two of three servers could store it", id)
				}
				r.nats[first].start()
				r.nats[second].start()
				r.awaitCluster()
			},
		},
	}
}

// killNode kills a server of the cluster, and starts it again after a while in which the others serve.
func (r *run) killNode(n int) {
	r.nats[n].kill()
	pause(r.t, 2*time.Second)
	r.nats[n].start()
	r.awaitCluster()
}

// leader is the server that leads the event stream.
func (r *run) leader() int {
	r.t.Helper()
	leader := -1
	eventually(r.t, "the stream has a leader", func() error {
		s, err := r.js.Stream(r.t.Context(), stream.Events)
		if err != nil {
			return err
		}
		for i, n := range r.nats {
			if info := s.CachedInfo().Cluster; info != nil && info.Leader == n.name {
				leader = i
				return nil
			}
		}
		return errors.New("none yet")
	})
	return leader
}

// awaitCluster waits until every copy of the streams is current again.
func (r *run) awaitCluster() {
	r.t.Helper()
	eventually(r.t, "the cluster is whole", func() error {
		for _, name := range []string{stream.Events, stream.DeadLetters} {
			s, err := r.js.Stream(r.t.Context(), name)
			if err != nil {
				return err
			}
			info := s.CachedInfo().Cluster
			if info == nil || info.Leader == "" || len(info.Replicas) != 2 {
				return fmt.Errorf("%s has no leader", name)
			}
			for _, replica := range info.Replicas {
				if replica.Offline || !replica.Current {
					return fmt.Errorf("%s is behind on %s", name, replica.Name)
				}
			}
		}
		return nil
	})
}
