//go:build linux

package chaos

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// maxMemory is what the shipped manifests let the ingester have, in bytes, and memoryTarget what they tell it.
const (
	maxMemory    = 256 << 20
	memoryTarget = "230MiB"
)

// slowAndGreedyClients holds the ingester, as it is shipped, against clients that keep it waiting or send more than
// anybody should: good requests are answered in time, and its memory is bounded.
func slowAndGreedyClients(t *testing.T) {
	k := newStack(t, shape{ingester: "ingester-plain", env: map[string]string{"GOMEMLIMIT": memoryTarget}})
	k.awaitReady()
	in := k.ingesters[0]
	t.Run("500 slow connections", func(t *testing.T) { goodRequestsAmongSlowOnes(t, in) })
	t.Run("100 bodies of 1 MiB at once", func(t *testing.T) { largeBodiesAtOnce(t, in) })
	t.Run("400 bodies of 1 MiB that do not end", func(t *testing.T) { bodiesThatDoNotEnd(t, in) })
	most := in.peakMemory()
	t.Logf("the ingester has used %d MB at the most", most>>20)
	if most > maxMemory {
		t.Errorf("the ingester has used %d MB", most>>20)
	}
	k.discreet()
}

func (in *ingester) host() string {
	u, err := url.Parse(in.door)
	if err != nil {
		in.t.Fatal(err)
	}
	return u.Host
}

// peakMemory is the most that the process has used, in bytes.
func (p *program) peakMemory() int {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.current().cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		p.t.Fatal("no VmHWM")
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n << 10
}

// dribble sends what begins a request, then one byte after another until the server ends the connection, over and
// over until ctx ends. It counts the connections that the server ended.
func (in *ingester) dribble(ctx context.Context, begin string) (ended int) {
	for ctx.Err() == nil {
		c, err := net.Dial("tcp", in.host())
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		_, err = io.WriteString(c, begin)
		for err == nil {
			select {
			case <-ctx.Done():
				err = ctx.Err()
			case <-time.After(200 * time.Millisecond):
				_, err = io.WriteString(c, "x")
			}
		}
		stop()
		_ = c.Close()
		if ctx.Err() == nil {
			ended++
		}
	}
	return ended
}

func goodRequestsAmongSlowOnes(t *testing.T, in *ingester) {
	const connections, requests, limit = 500, 1000, 500 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	var slow sync.WaitGroup
	var mu sync.Mutex
	ended := 0
	for i := range connections {
		begin := "POST /stripe/webhooks HTTP/1.1\r\nHost: test\r\nX-Slow: "
		if i%2 == 0 {
			begin = "POST /stripe/webhooks HTTP/1.1\r\nHost: test\r\nStripe-Signature: t=1,v1=00\r\nContent-Length: 1048576\r\n\r\n"
		}
		slow.Go(func() {
			n := in.dribble(ctx, begin)
			mu.Lock()
			defer mu.Unlock()
			ended += n
		})
	}
	stripe := simulate.New(rand.New(rand.NewPCG(1, 1)), time.Now)
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	var took []time.Duration
	for range requests { // 50 a second, longer than the server waits for headers or for a body
		began := time.Now()
		status, answer, err := simulate.Post(ctx, client, in.door, newSecret, stripe.Unrelated("customer.created"))
		took = append(took, time.Since(began))
		if err != nil || status != http.StatusOK {
			t.Errorf("a good request was answered %d %s (%v)", status, answer, err)
		}
		pause(t, 20*time.Millisecond)
	}
	stop()
	slow.Wait()
	slices.Sort(took)
	half, most := took[len(took)/2], took[len(took)*99/100]
	t.Logf("good requests among %d slow connections: half within %s, 99 %% within %s; the server ended %d slow ones", connections, half, most, ended)
	if most > limit {
		t.Errorf("99 %% of the good requests took up to %s", most)
	}
	if ended < connections { // each of them at least once
		t.Errorf("the server ended %d slow connections only", ended)
	}
}

// largeEvent is a good event of exactly 1 MiB.
func largeEvent(stripe *simulate.Stripe) simulate.Event {
	e := stripe.Unrelated("customer.created")
	e.Body = append(e.Body, bytes.Repeat([]byte(" "), 1<<20-len(e.Body))...)
	return e
}

func largeBodiesAtOnce(t *testing.T, in *ingester) {
	const bodies = 100
	stripe := simulate.New(rand.New(rand.NewPCG(2, 2)), time.Now)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: bodies}, Timeout: patience}
	defer client.CloseIdleConnections()
	var sending sync.WaitGroup
	var mu sync.Mutex
	busy := 0
	for range bodies {
		e := largeEvent(stripe)
		sending.Go(func() {
			for {
				status, answer, err := simulate.Post(t.Context(), client, in.door, newSecret, e)
				if err == nil && status == http.StatusOK {
					return
				}
				if err != nil || status != http.StatusServiceUnavailable {
					t.Errorf("answered %d %s (%v)", status, answer, err)
					return
				}
				mu.Lock()
				busy++
				mu.Unlock()
				pause(t, time.Second) // as Retry-After says
			}
		})
	}
	sending.Wait()
	t.Logf("%d events of 1 MiB at once: all stored, after %d answers of 503", bodies, busy)
}

func bodiesThatDoNotEnd(t *testing.T, in *ingester) {
	const connections = 400
	almost := "POST /stripe/webhooks HTTP/1.1\r\nHost: test\r\nStripe-Signature: t=1,v1=00\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" +
		strings.Repeat("x", 1<<20-2)
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	for range connections {
		sending.Go(func() {
			c, err := net.Dial("tcp", in.host())
			if err != nil {
				return
			}
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			defer func() { _ = c.Close() }()
			_, _ = io.WriteString(c, almost)
			_, _ = io.Copy(io.Discard, c) // until the server ends it
		})
	}
	sending.Wait()
	stop()
	stripe := simulate.New(rand.New(rand.NewPCG(3, 3)), time.Now)
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	if status, answer, err := simulate.Post(t.Context(), client, in.door, newSecret, stripe.Unrelated("customer.created")); err != nil || status != http.StatusOK {
		t.Errorf("afterwards a good request was answered %d %s (%v)", status, answer, err)
	}
}
