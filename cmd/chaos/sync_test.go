//go:build linux

package chaos

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

const syncRow = "no 200 before the sync (strace)"

// no200BeforeTheSync shows by the system calls of nats-server and of the ingester that no 200 leaves before the
// event has been synced to disk, for events one by one and for events that come together.
func no200BeforeTheSync(t *testing.T, rows *report) {
	rows.begin(syncRow)
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("strace is missing: apt-get install strace")
	}
	dir := t.TempDir()
	traced := func(p *program, calls string) string {
		file := filepath.Join(dir, p.name+".strace")
		p.before = []string{"strace", "-f", "-y", "-ttt", "-T", "-s", "100000", "-e", "trace=" + calls, "-o", file}
		return file
	}
	n := &natsServer{address: freeAddress(t)}
	config := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("listen: %s\nmax_payload: 2MB\njetstream {\n  store_dir: %q\n  sync_interval: always\n}\n", n.address, dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.program = newProgram(t, dir, "nats", "nats-server", nil, "-c", config)
	natsTrace := traced(n.program, "write,pwrite64,fsync,fdatasync")
	n.start()
	n.match(`Server is ready`)
	k := &stack{t: t, dir: dir, nats: []*natsServer{n}, postgres: newPostgres(t, shape{})}
	k.setUp(shape{})
	in := &ingester{service: service{program: newProgram(t, dir, "ingester", "ingester", []string{
		"NATS_URL=" + k.natsURL(nil), "STRIPE_WEBHOOK_SECRET=" + newSecret, "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "PUBLISH_TIMEOUT=20s",
	})}}
	ingesterTrace := traced(in.program, "write")
	in.start()
	in.open()
	admin := in.admin()
	eventually(t, "the ingester is ready", func() error { return ready(t.Context(), admin) })

	const alone, together = 30, 300
	stripe := simulate.New(rand.New(rand.NewPCG(1, 1)), time.Now)
	events := make([]simulate.Event, 0, alone+together)
	for range cap(events) {
		events = append(events, stripe.Unrelated("customer.created"))
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: together}, Timeout: patience}
	defer client.CloseIdleConnections()
	post := func(e simulate.Event) {
		if status, answer, err := simulate.Post(t.Context(), client, in.door, newSecret, e); err != nil || status != http.StatusOK {
			t.Errorf("%s was answered %d %s (%v)", e.ID, status, answer, err)
		}
	}
	for _, e := range events[:alone] {
		post(e)
	}
	var posting sync.WaitGroup
	for _, e := range events[alone:] {
		posting.Go(func() { post(e) })
	}
	posting.Wait()
	in.terminate()
	n.signal(15)
	n.code()

	synced, answered := readSyncs(t, natsTrace), readAnswers(t, ingesterTrace)
	shortest, early := time.Hour, 0
	for _, e := range events {
		sync, stored := synced[e.ID]
		answer, told := answered[e.ID]
		if !stored || !told {
			t.Fatalf("%s: seen on disk %t, answer seen %t", e.ID, stored, told)
		}
		if !sync.Before(answer) {
			early++
			t.Errorf("%s was answered %s before it was on disk", e.ID, sync.Sub(answer))
		}
		shortest = min(shortest, answer.Sub(sync))
	}
	rows.add(result{fault: syncRow, times: len(events), events: len(events), deliveries: len(events), lost: early})
	rows.note(syncRow, "%d events, each answered %s or more after its sync", len(events), shortest)
}

// A line of strace -f -ttt -T: process, time, call, and how long it took. A call during which another thread was
// seen has two lines.
var (
	callLine    = regexp.MustCompile(`^(\d+) +(\d+)\.(\d+) (\w+)\((.*)`)
	resumedLine = regexp.MustCompile(`^(\d+) +(\d+)\.(\d+) <\.\.\. (\w+) resumed>`)
	tookSuffix  = regexp.MustCompile(`<(\d+\.\d+)>$`)
	fileOfCall  = regexp.MustCompile(`^\d+<([^>]*)>`)
)

// call is a system call as traced; text is what it wrote, escaped.
type call struct {
	name, file, text string
	began, ended     time.Time
}

// readTrace returns the calls of a trace in the order of their ends.
func readTrace(t testing.TB, path string) []call {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var calls []call
	open := map[string]call{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := resumedLine.FindStringSubmatch(line); m != nil {
			c := open[m[1]]
			c.ended = traceTime(m[2], m[3])
			calls = append(calls, c)
			continue
		}
		m := callLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		c := call{name: m[4], text: m[5], began: traceTime(m[2], m[3])}
		if file := fileOfCall.FindStringSubmatch(m[5]); file != nil {
			c.file = file[1]
		}
		if strings.HasSuffix(line, "<unfinished ...>") {
			open[m[1]] = c
			continue
		}
		c.ended = c.began
		if took := tookSuffix.FindStringSubmatch(line); took != nil {
			seconds, _ := strconv.ParseFloat(took[1], 64)
			c.ended = c.began.Add(time.Duration(seconds * float64(time.Second)))
		}
		calls = append(calls, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return calls
}

func traceTime(seconds, micros string) time.Time {
	s, _ := strconv.ParseInt(seconds, 10, 64)
	us, _ := strconv.ParseInt(micros, 10, 64)
	return time.Unix(s, us*1000)
}

var eventID = regexp.MustCompile(`Nats-Msg-Id: (evt_\w+)`)

// readSyncs returns when each event's message, in the file of the event stream, was first synced after it was written.
func readSyncs(t testing.TB, trace string) map[string]time.Time {
	t.Helper()
	synced := map[string]time.Time{}
	written := map[string]map[string]time.Time{} // by file and id: when the write ended
	for _, c := range readTrace(t, trace) {
		if !strings.Contains(c.file, "/streams/STRIPE_EVENTS/msgs/") {
			continue
		}
		if strings.Contains(c.name, "write") {
			for _, m := range eventID.FindAllStringSubmatch(c.text, -1) {
				if written[c.file] == nil {
					written[c.file] = map[string]time.Time{}
				}
				written[c.file][m[1]] = c.ended
			}
			continue
		}
		for id, at := range written[c.file] {
			if at.After(c.began) { // it was not there yet when the sync began
				continue
			}
			if _, known := synced[id]; !known {
				synced[id] = c.ended
			}
			delete(written[c.file], id)
		}
	}
	return synced
}

// readAnswers returns when the ingester began to write each event's 200.
func readAnswers(t testing.TB, trace string) map[string]time.Time {
	t.Helper()
	answered := map[string]time.Time{}
	id := regexp.MustCompile(`\\"id\\":\\"(evt_\w+)\\"`)
	for _, c := range readTrace(t, trace) {
		if !strings.Contains(c.text, "HTTP/1.1 200 OK") {
			continue
		}
		if m := id.FindStringSubmatch(c.text); m != nil {
			if _, known := answered[m[1]]; !known {
				answered[m[1]] = c.began
			}
		}
	}
	return answered
}
