package worker

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/educareschool/guichet/pkg/waittest"
)

// trouble is an SMTP server that does to mails whatever such servers do, at random but for those whose
// recipient it refuses for good. It keeps what it took by recipient, the answer of it given or not.
type trouble struct {
	done     chan struct{}
	mu       sync.Mutex
	random   *rand.Rand
	calm     bool // it takes everything from now on
	answered map[string][]string
	silent   map[string][]string
	met      map[string]int
}

// What it does to one mail.
const (
	takes      = "takes it"
	throttles  = "ends the connection, too many mails"
	putsOff    = "puts the recipient off"
	putsOffAll = "puts the mail off"
	drops      = "hangs up within the mail"
	hangs      = "hangs"
	forgets    = "takes it and hangs up without an answer"
	refuses    = "refuses for good"
)

func (o *trouble) fate(to string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	fate := []string{takes, takes, takes, takes, takes, throttles, putsOff, putsOff, putsOffAll, drops, drops, forgets, hangs}[o.random.IntN(13)]
	switch {
	case strings.HasPrefix(to, "gone"):
		fate = refuses
	case o.calm || fate == hangs && o.met[hangs] >= 4: // each of which takes its time
		fate = takes
	}
	o.met[fate]++
	return fate
}

func (o *trouble) setCalm(calm bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calm = calm
}

func (o *trouble) keep(in map[string][]string, to string, content []byte) {
	id := regexp.MustCompile(`(?m)^Message-ID: (.*)\r$`).FindSubmatch(content)
	o.mu.Lock()
	defer o.mu.Unlock()
	if id != nil {
		in[to] = append(in[to], string(id[1]))
	}
}

type troubled struct {
	office   *trouble
	conn     *smtp.Conn
	to, fate string
}

func (*troubled) Reset()        {}
func (*troubled) Logout() error { return nil }

func (*troubled) Mail(string, *smtp.MailOptions) error { return nil }

func (t *troubled) Rcpt(to string, _ *smtp.RcptOptions) error {
	t.to, t.fate = to, t.office.fate(to)
	switch t.fate {
	case throttles:
		return &smtp.SMTPError{Code: 421, Message: "too many mails"}
	case putsOff:
		return &smtp.SMTPError{Code: 450, Message: "later"}
	case refuses:
		return &smtp.SMTPError{Code: 550, Message: "nobody here"}
	}
	return nil
}

func (t *troubled) Data(r io.Reader) error {
	if t.fate == drops {
		_, err := io.ReadFull(r, make([]byte, 200))
		return errors.Join(err, t.conn.Conn().Close())
	}
	content, err := io.ReadAll(r)
	switch {
	case err != nil:
		return err
	case t.fate == putsOffAll:
		return &smtp.SMTPError{Code: 452, Message: "no room"}
	case t.fate == hangs:
		<-t.office.done
		return errors.New("over")
	case t.fate == forgets:
		t.office.keep(t.office.silent, t.to, content)
		return t.conn.Conn().Close()
	}
	t.office.keep(t.office.answered, t.to, content)
	return nil
}

// inTrouble makes the room's workers send through such a server.
func (r *room) inTrouble() *trouble {
	r.t.Helper()
	seed := uint64(time.Now().UnixNano())
	r.t.Logf("seed %d", seed)
	o := &trouble{
		done: make(chan struct{}), random: rand.New(rand.NewPCG(seed, 5)),
		answered: map[string][]string{}, silent: map[string][]string{}, met: map[string]int{},
	}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &troubled{office: o, conn: c}, nil }))
	server.Domain = "localhost"
	server.ErrorLog = nopServerLog{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = server.Serve(listener)
		close(ended)
	}()
	r.t.Cleanup(func() {
		close(o.done)
		_ = server.Close()
		<-ended
	})
	r.settings.Mail.Mailbox, r.settings.Mail.From = "", "Billets <billets@example.org>"
	r.settings.Mail.URL, r.settings.Mail.Timeout = "smtp://"+listener.Addr().String(), 250*time.Millisecond
	return o
}

type nopServerLog struct{}

func (nopServerLog) Printf(string, ...any) {}
func (nopServerLog) Println(...any)        {}

// counted adds up the workers' counter of mails by result.
func (r *room) counted(workers ...*running) map[string]int {
	r.t.Helper()
	out := map[string]int{}
	for _, w := range workers {
		answer, err := http.Get("http://" + w.admin + "/metrics")
		if err != nil {
			r.t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			r.t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^guichet_worker_mails_total\{kind="[a-z_]+",result="([a-z]+)"\} (\d+)$`).FindAllStringSubmatch(string(text), -1) {
			n, _ := strconv.Atoi(found[2])
			out[found[1]] += n
		}
	}
	return out
}

func TestWhateverTheSMTPServerDoesEachMailGoesOutOnceOrEndsVisibly(t *testing.T) {
	t.Parallel()
	const good, bad = 40, 4
	r := newRoom(t)
	office := r.inTrouble()
	r.exec(`UPDATE events SET capacity = NULL`)
	for i := range good + bad {
		id := fmt.Sprintf("reg-%d", i)
		if i >= good {
			id = fmt.Sprintf("gone-%d", i)
		}
		r.register(id)
		r.publish(r.stripe.Payment(id).Completed())
	}
	workers := []*running{r.work(), r.work(), r.work()}
	calm := time.Now().Add(20 * time.Second) // on a machine that is slow it is trouble enough
	waittest.Until(r.t, 5*patience, "no mail is pending", func() error {
		office.setCalm(time.Now().After(calm))
		// The pauses between tries are over at once and count for nothing; what is being tried is left alone.
		r.exec(`UPDATE notifications SET send_after = now(), attempts = least(attempts, 9) WHERE status = 'pending' AND leased_until IS NULL AND attempts > 0`)
		var open int
		if err := r.db.Get(&open, `SELECT $1 - count(*) FROM notifications WHERE status <> 'pending'`, good+bad); err != nil || open > 0 {
			return fmt.Errorf("%d are (%w)", open, err)
		}
		return nil
	})
	r.is(strconv.Itoa(good), `SELECT count(*) FROM notifications WHERE status = 'sent' AND registration_id LIKE 'reg-%'`)
	r.is(strconv.Itoa(bad), `SELECT count(*) FROM notifications WHERE status = 'failed' AND registration_id LIKE 'gone-%' AND last_error LIKE '%550%'`)

	office.mu.Lock()
	defer office.mu.Unlock()
	t.Logf("the server %v", office.met)
	if len(office.answered) != good {
		t.Errorf("%d people have a mail, want %d", len(office.answered), good)
	}
	for to, ids := range office.answered {
		if len(ids) != 1 { // what it took without an answer comes again, and is the same mail
			t.Errorf("%s was sent %d mails", to, len(ids))
		}
		for _, id := range office.silent[to] {
			if id != ids[0] {
				t.Errorf("the next try of %s is another mail: %s, %s", to, id, ids[0])
			}
		}
	}
	got := r.counted(workers...)
	if got["sent"] != good || got["failed"] != bad {
		t.Errorf("counted are %v", got)
	}
	troubles := office.met[putsOff] + office.met[putsOffAll] + office.met[drops] + office.met[hangs] + office.met[forgets]
	if got["pending"] < troubles {
		t.Errorf("%d tries failed for now, counted are %v", troubles, got)
	}
}

// The one case in which a mail goes out twice: it was sent, and the database does not take that it was.
func TestAMailWhoseSendingCouldNotBeRecordedIsTheSameMailAgain(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	office := r.bySMTP()
	r.exec(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the commit is lost'; END $$`)
	r.exec(`CREATE TRIGGER lose BEFORE UPDATE ON notifications FOR EACH ROW WHEN (NEW.status = 'sent') EXECUTE FUNCTION lose()`)
	r.register("reg-1")
	w := r.work()
	r.publish(r.stripe.Payment("reg-1").Completed())
	w.says("A periodic task failed")
	r.is("pending", `SELECT status FROM notifications WHERE attempts = 1 AND leased_until > now() + interval '5 min'`)
	if taken, twice, _ := office.count(); taken != 1 || twice != 0 {
		t.Errorf("%d mails taken, %d twice", taken, twice)
	}
	r.exec(`DROP TRIGGER lose ON notifications`)
	r.exec(`UPDATE notifications SET leased_until = now()`) // the claim runs out
	r.is("sent 2", `SELECT status || ' ' || attempts FROM notifications`)
	if taken, twice, tries := office.count(); taken != 1 || twice != 1 || tries != 2 {
		t.Errorf("%d different mails taken, %d of them twice, in %d tries", taken, twice, tries)
	}
}
