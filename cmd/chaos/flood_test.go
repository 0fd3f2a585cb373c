//go:build linux

package chaos

import (
	"bytes"
	"context"
	"errors"
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

// Rows of the table.
const (
	slowRow    = "500 slow connections (slowloris)"
	largeRow   = "100 bodies of 1 MiB at once"
	endlessRow = "400 bodies of 1 MiB that do not end"
)

// slowAndGreedyClients holds the ingester, as it is shipped, against clients that keep it waiting or send more than
// anybody should: good requests are answered in time, and its memory is bounded.
func slowAndGreedyClients(t *testing.T, rows *report) {
	k := newStack(t, shape{ingester: "ingester-plain", env: map[string]string{"GOMEMLIMIT": memoryTarget}})
	k.awaitReady()
	js := k.jetStream()
	for n, c := range []struct {
		row    string
		strike func(t *testing.T, f *flood) (times int)
	}{{slowRow, goodRequestsAmongSlowOnes}, {largeRow, largeBodiesAtOnce}, {endlessRow, bodiesThatDoNotEnd}} {
		t.Run(c.row, func(t *testing.T) {
			rows.begin(c.row)
			stripe := simulate.New(rand.New(rand.NewPCG(uint64(n), 1)), time.Now)
			f := &flood{row: c.row, in: k.ingesters[0], stripe: stripe, ledger: newLedger(), report: rows}
			times := c.strike(t, f)
			events, deliveries, refused := f.ledger.totals()
			healed := time.Now()
			var found findings
			eventually(t, "every event is processed", func() error { // else what the checker found is the failure
				found = findings{}
				if err := (checker{db: k.db, js: js, ledger: f.ledger}).events(t.Context(), &found); err != nil {
					return err
				}
				if len(found.lost) > 0 {
					return errors.New(found.lost[0])
				}
				return nil
			})
			rows.add(result{c.row, times, events, deliveries, refused, len(found.lost), len(found.doubled), 0, time.Since(healed)})
			for _, twice := range found.doubled {
				t.Error(twice)
			}
		})
	}
	most := k.ingesters[0].peakMemory()
	rows.note("slow and greedy clients", "the ingester has used %d MB at the most, of %d", most>>20, maxMemory>>20)
	if most > maxMemory {
		t.Errorf("the ingester has used %d MB", most>>20)
	}
	k.discreet()
}

// flood is one of these clients, and good requests beside it, whose answers are written down.
type flood struct {
	row    string
	in     *ingester
	stripe *simulate.Stripe
	ledger *ledger
	report *report
}

// post delivers a good event once.
func (f *flood) post(ctx context.Context, client *http.Client, e simulate.Event) (answer, error) {
	a := answer{At: time.Now()}
	status, _, err := simulate.Post(ctx, client, f.in.door, newSecret, e)
	if err == nil {
		a.Status = status
	}
	a.Took = time.Since(a.At)
	f.ledger.note(e.ID, a)
	return a, err
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

func goodRequestsAmongSlowOnes(t *testing.T, f *flood) int {
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
			n := f.in.dribble(ctx, begin)
			mu.Lock()
			defer mu.Unlock()
			ended += n
		})
	}
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	var took []time.Duration
	for range requests { // 50 a second, longer than the server waits for headers or for a body
		e := f.stripe.Unrelated("customer.created")
		f.ledger.promise(e, false)
		a, err := f.post(ctx, client, e)
		took = append(took, a.Took)
		if !a.accepted() {
			t.Errorf("a good request was answered %d (%v)", a.Status, err)
		}
		pause(t, 20*time.Millisecond)
	}
	stop()
	slow.Wait()
	slices.Sort(took)
	half, most := took[len(took)/2], took[len(took)*99/100]
	f.report.note(f.row, "good requests among them: half within %.1f ms, 99 %% within %.1f ms; the server ended %d slow connections",
		milliseconds(half), milliseconds(most), ended)
	if most > limit {
		t.Errorf("99 %% of the good requests took up to %s", most)
	}
	if ended < connections { // each of them at least once
		t.Errorf("the server ended %d slow connections only", ended)
	}
	return connections
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// largeEvent is a good event of exactly 1 MiB.
func largeEvent(stripe *simulate.Stripe) simulate.Event {
	e := stripe.Unrelated("customer.created")
	e.Body = append(e.Body, bytes.Repeat([]byte(" "), 1<<20-len(e.Body))...)
	return e
}

func largeBodiesAtOnce(t *testing.T, f *flood) int {
	const bodies = 100
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: bodies}, Timeout: patience}
	defer client.CloseIdleConnections()
	var sending sync.WaitGroup
	for range bodies {
		e := largeEvent(f.stripe)
		f.ledger.promise(e, false)
		sending.Go(func() {
			for {
				a, err := f.post(t.Context(), client, e)
				if a.accepted() {
					return
				}
				if a.Status != http.StatusServiceUnavailable {
					t.Errorf("answered %d (%v)", a.Status, err)
					return
				}
				pause(t, time.Second) // as Retry-After says
			}
		})
	}
	sending.Wait()
	return bodies
}

func bodiesThatDoNotEnd(t *testing.T, f *flood) int {
	const connections = 400
	almost := "POST /stripe/webhooks HTTP/1.1\r\nHost: test\r\nStripe-Signature: t=1,v1=00\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" +
		strings.Repeat("x", 1<<20-2)
	ctx, stop := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	for range connections {
		sending.Go(func() {
			c, err := net.Dial("tcp", f.in.host())
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
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	e := f.stripe.Unrelated("customer.created")
	f.ledger.promise(e, false)
	if a, err := f.post(t.Context(), client, e); !a.accepted() {
		t.Errorf("afterwards a good request was answered %d (%v)", a.Status, err)
	}
	return connections
}
