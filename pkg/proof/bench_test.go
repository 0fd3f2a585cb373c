package proof_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/proof"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/stripeevent"
)

// benchEvents is how many events the benchmarks run over; GUICHET_BENCH_EVENTS sets another number.
func benchEvents(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("GUICHET_BENCH_EVENTS"))
	if err != nil {
		return 200_000
	}
	return n
}

// fill makes a stream of n events about n/5 registrations of 50 events, and a database that has them all.
func (h *house) fill(n int) {
	h.t.Helper()
	h.exec(`INSERT INTO events (id, title, capacity) SELECT 'event-' || g, 'x', 1000000 FROM generate_series(0, 49) g`)
	h.exec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-' || g, 'event-' || g % 50, 'x' FROM generate_series(0, $1 - 1) g`, n/5)
	var batch []store.Received
	flush := func() {
		if _, err := h.store.Process(h.t.Context(), batch); err != nil {
			h.t.Fatal(err)
		}
		batch = nil
	}
	sequence := uint64(0)
	for i := range n / 5 {
		p := h.stripe.Payment(fmt.Sprint("reg-", i))
		events := []simulate.Event{p.IntentMade(), p.Failed(simulate.CardDeclined()), p.Succeeded(), p.Charged(), p.Completed()}
		for _, e := range events {
			h.put(e.ID, e.Type, e.Body)
			sequence++
			decoded, err := stripeevent.Decode(e.Body, stripeevent.Filter{})
			if err != nil {
				h.t.Fatal(err)
			}
			batch = append(batch, store.Received{Event: decoded, Sequence: sequence, ReceivedAt: time.Now()})
		}
		if len(batch) >= 1000 {
			flush()
		}
	}
	flush()
	<-h.js.PublishAsyncComplete()
	for h.get(`SELECT count(*) FROM registrations WHERE due_at IS NOT NULL`) != "0" {
		if _, _, err := h.store.Sweep(h.t.Context(), 500); err != nil {
			h.t.Fatal(err)
		}
	}
	h.exec(`VACUUM ANALYZE`)
}

// usage is the processor time of this process, in which the NATS server runs too; PostgreSQL's is not in it.
func usage() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkVerify(b *testing.B) {
	n := benchEvents(b)
	h := newHouse(b)
	h.fill(n)
	runtime.GC()
	b.ResetTimer()
	used, backends := usage(), h.backends()
	for b.Loop() {
		report, found := h.verify(proof.Options{})
		if len(found) > 0 || report.Equal != n || report.Registrations != n/5 {
			b.Fatalf("%+v, %.10v", report, found)
		}
	}
	total := float64(n * b.N)
	b.ReportMetric(total/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((usage()-used).Microseconds())/total, "cpu-µs/event")
	b.ReportMetric(float64((h.backends()-backends).Microseconds())/total, "pg-cpu-µs/event")
}

// backends is the processor time of the database's connections that are open; 0 where /proc is not Linux's.
func (h *house) backends() time.Duration {
	const tick = 10 * time.Millisecond // as every Linux has it
	u, err := url.Parse(h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	var total time.Duration
	titles, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, title := range titles {
		text, err := os.ReadFile(title)
		if err != nil || !strings.Contains(string(text), " "+u.Path[1:]+" ") {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(title), "stat"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
		for _, field := range fields[11:13] { // user and system time
			n, _ := strconv.Atoi(field)
			total += time.Duration(n) * tick
		}
	}
	return total
}
