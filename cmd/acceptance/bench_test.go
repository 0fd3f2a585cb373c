package acceptance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/pkg/stream/streamtest"
)

// The benchmarks run the built programs over a full stream, each as an operator does, and report events a second and the
// most memory that the program had; GUICHET_BENCH_EVENTS sets another number of events than 200,000.
//
//	go test ./cmd/acceptance -run '^$' -bench Replay -benchtime 1x

func benchEvents() int {
	if n, err := strconv.Atoi(os.Getenv("GUICHET_BENCH_EVENTS")); err == nil {
		return n
	}
	return 200_000
}

// depot is a full stream and an empty database with the registrations of its events.
type depot struct {
	b      *testing.B
	env    []string
	url    string
	db     *sqlx.DB
	js     jetstream.JetStream
	events int
}

func newDepot(b *testing.B) *depot {
	b.Helper()
	natsURL := natsServer(b)
	d := &depot{b: b, url: pgtest.Database(b), events: benchEvents()}
	d.env = []string{"NATS_URL=" + natsURL, "DATABASE_URL=" + d.url, "ADMIN_ADDR=127.0.0.1:0", "LOG_LEVEL=warn"}
	setup(b, d.env...)
	d.db = sqlx.MustConnect("postgres", d.url)
	b.Cleanup(func() { _ = d.db.Close() })
	conn, err := nats.Connect(natsURL)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	if d.js, err = jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4096)); err != nil {
		b.Fatal(err)
	}
	d.fill()
	return d
}

// fill publishes five events for each registration, of fifty events.
func (d *depot) fill() {
	d.b.Helper()
	const each = 5
	d.db.MustExec(`INSERT INTO events (id, title, capacity) SELECT 'event-' || g, 'x', 1000000 FROM generate_series(0, 49) g`)
	d.db.MustExec(`INSERT INTO registrations (id, event_id, email) SELECT 'reg-' || g, 'event-' || g % 50, 'x' FROM generate_series(0, $1 - 1) g`, d.events/each)
	d.db.MustExec(`UPDATE registrations SET due_at = NULL, deadline = created_at + interval '25 hours'`)
	stripe := simulate.New(rand.New(rand.NewPCG(1, 2)), time.Now) // #nosec G404 -- a benchmark
	for i := range d.events / each {
		p := stripe.Payment(fmt.Sprint("reg-", i))
		for _, e := range []simulate.Event{p.IntentMade(), p.Failed(simulate.CardDeclined()), p.Succeeded(), p.Charged(), p.Completed()} {
			m := nats.NewMsg(stream.Subject(e.Type))
			m.Data = e.Body
			m.Header.Set(stream.HeaderEventID, e.ID)
			m.Header.Set(stream.HeaderEventType, e.Type)
			m.Header.Set(stream.HeaderReceivedAt, time.Now().UTC().Format(stream.TimeFormat))
			if _, err := d.js.PublishMsgAsync(m, jetstream.WithStallWait(patience)); err != nil {
				d.b.Fatal(err)
			}
		}
	}
	<-d.js.PublishAsyncComplete()
	d.db.MustExec(`VACUUM ANALYZE`)
}

// drain has a worker process the stream, and returns how long that took.
func (d *depot) drain() time.Duration {
	d.b.Helper()
	begun := time.Now()
	w := start(d.b, "worker", d.env)
	eventually(d.b, "the stream is processed", func() error { return streamtest.Drained(d.b.Context(), d.js) })
	took := time.Since(begun)
	w.stop()
	return took
}

// processorTime is what all programs of the benchmark have used: those that have ended, those that run, and PostgreSQL. On
// a machine that others use it tells programs apart when the time does not. It is 0 where /proc is not Linux's.
func (d *depot) processorTime() time.Duration {
	d.b.Helper()
	var ended syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ended); err != nil {
		d.b.Fatal(err)
	}
	total := time.Duration(ended.Utime.Nano() + ended.Stime.Nano())
	var backend int
	if err := d.db.Get(&backend, `SELECT pg_backend_pid()`); err != nil {
		d.b.Fatal(err)
	}
	parents := map[int]bool{os.Getpid(): true}
	own, found := readStat(backend)
	if found {
		parents[own.parent] = true
		postmaster, _ := readStat(own.parent)
		total += postmaster.used + postmaster.ofChildren
	}
	stats, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range stats {
		id, _ := strconv.Atoi(filepath.Base(dir))
		if s, found := readStat(id); found && parents[s.parent] && id != own.parent {
			total += s.used
		}
	}
	return total
}

// processStat is what /proc tells of a process.
type processStat struct {
	parent           int
	used, ofChildren time.Duration // its own, and that of its children that have ended
}

func readStat(id int) (processStat, bool) {
	const tick = 10 * time.Millisecond // as on every Linux
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id))
	if err != nil {
		return processStat{}, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	number := func(i int) int { n, _ := strconv.Atoi(fields[i]); return n }
	return processStat{
		parent: number(1), used: time.Duration(number(11)+number(12)) * tick, ofChildren: time.Duration(number(13)+number(14)) * tick,
	}, true
}

// forget empties the database of all that came of events.
func (d *depot) forget() {
	d.b.Helper()
	d.db.MustExec(`TRUNCATE stripe_events, notifications, registration_history, attention`)
	d.db.MustExec(`UPDATE registrations SET status = 'PENDING', paid_at = NULL, deadline = created_at + interval '25 hours', cause = '', due_at = NULL`)
	d.db.MustExec(`VACUUM ANALYZE`)
}

// peakMemory waits until the program ends, and returns the most megabytes that it held meanwhile; 0 where /proc is not
// Linux's. What is told of a child that has ended counts the memory of the process that started it, too.
func (p *process) peakMemory() (megabytes float64) {
	for {
		select {
		case <-p.done:
			return megabytes
		case <-time.After(20 * time.Millisecond):
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if _, rest, found := strings.Cut(string(status), "VmHWM:"); found {
			kilobytes, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			megabytes = kilobytes / 1024
		}
	}
}

// report runs a command and reports its rate and its memory.
func (d *depot) report(b *testing.B, args ...string) {
	b.Helper()
	begun, used := time.Now(), d.processorTime()
	p := startWith(b, func(cmd *exec.Cmd) { cmd.Dir = b.TempDir() }, "guichet", slices.Clone(d.env), args...)
	megabytes := p.peakMemory()
	if code := p.code(); code != 0 {
		b.Fatalf("guichet %q ended with %d:\n%s", args, code, tail(p.out.String(), 20))
	}
	b.ReportMetric(float64(d.events)/time.Since(begun).Seconds(), "events/s")
	b.ReportMetric(float64((d.processorTime()-used).Microseconds())/float64(d.events), "cpu-µs/event")
	if megabytes > 0 {
		b.ReportMetric(megabytes, "MB")
	}
}

func BenchmarkReplay(b *testing.B) {
	d := newDepot(b)
	b.Run("by the worker", func(b *testing.B) {
		for b.Loop() {
			used := d.processorTime()
			b.ReportMetric(float64(d.events)/d.drain().Seconds(), "events/s")
			b.ReportMetric(float64((d.processorTime()-used).Microseconds())/float64(d.events), "cpu-µs/event")
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			d.report(b, "verify")
		}
	})
	b.Run("dry run, all is there", func(b *testing.B) {
		for b.Loop() {
			d.report(b, "replay")
		}
	})
	b.Run("apply, all is there", func(b *testing.B) {
		for b.Loop() {
			d.report(b, "replay", "--apply", "--yes")
		}
	})
	b.Run("dry run, all is missing", func(b *testing.B) {
		for b.Loop() {
			d.forget()
			d.report(b, "replay")
		}
	})
	b.Run("apply, all is missing", func(b *testing.B) {
		for b.Loop() {
			d.forget()
			d.report(b, "replay", "--apply", "--yes")
		}
	})
	b.Run("apply with mails, all is missing", func(b *testing.B) {
		for b.Loop() {
			d.forget()
			d.report(b, "replay", "--apply", "--yes", "--mails")
		}
	})
}
