package store_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func TestABatchTakesADozenRoundTrips(t *testing.T) {
	t.Parallel()
	const registrations, facts = 250, 500
	f := newFixture(t)
	f.exec(`INSERT INTO events (id, title) SELECT 'e' || n, 'x' FROM generate_series(0, 9) n`)
	f.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-' || n, 'e' || n % 10, 'x' FROM generate_series(0, $1 - 1) n`, registrations)
	batch := func(round int) []store.Received {
		var out []store.Received
		for i := range facts {
			about := fmt.Sprintf("reg-%d", i%registrations)
			switch i % 3 {
			case 0:
				out = append(out, canceledFor(round*facts+i, about))
			case 1:
				out = append(out, paidFor(round*facts+i, about))
			default:
				out = append(out, fact(round*facts+i, registration.IntentSucceeded, "", of("", "pi_"+about, "ch_"+about)))
			}
		}
		return out
	}
	through, trips := countingProxy(t, f.url)
	f.url = through
	s := f.open(store.Options{})
	if _, err := s.Process(t.Context(), batch(0)); err != nil { // prepares what is not yet
		t.Fatal(err)
	}
	before := trips.Load()
	result, err := s.Process(t.Context(), batch(1))
	if err != nil || len(result.Stored) != facts {
		t.Fatalf("%d stored, %v", len(result.Stored), err)
	}
	n := trips.Load() - before
	t.Logf("%d round trips", n)
	if n < 5 || n > 12 {
		t.Errorf("%d round trips for %d events", n, facts)
	}
}

// countingProxy returns a URL of the same database, and the count of times that a connection through it was
// spoken to after it had answered.
func countingProxy(t *testing.T, database string) (string, *atomic.Int64) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", u.Host
	query := u.Query()
	if folder := query.Get("host"); folder != "" {
		port := query.Get("port")
		if port == "" {
			port = "5432"
		}
		network, address = "unix", folder+"/.s.PGSQL."+port
		query.Del("host")
		query.Del("port")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	t.Cleanup(open.Wait)
	t.Cleanup(func() { _ = listener.Close() })
	trips := new(atomic.Int64)
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial(network, address)
			if err != nil {
				t.Error(err)
				_ = client.Close()
				return
			}
			var answered atomic.Bool
			answered.Store(true)
			open.Go(func() {
				_, _ = io.Copy(server, hook{client, func() {
					if answered.Swap(false) {
						trips.Add(1)
					}
				}})
				_ = server.Close()
			})
			open.Go(func() {
				_, _ = io.Copy(client, hook{server, func() { answered.Store(true) }})
				_ = client.Close()
			})
		}
	})
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = listener.Addr().String(), query.Encode()
	return u.String(), trips
}

// hook is a reader that tells of what it reads.
type hook struct {
	io.Reader
	read func()
}

func (h hook) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.read()
	}
	return n, err
}
