package worker

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/educareschool/guichet/pkg/simulate"
)

// postOffice is an SMTP server; refuse, if set, answers a recipient's mail instead of taking it.
type postOffice struct {
	mu     sync.Mutex
	refuse func(to string) error
	taken  map[string][]string // by Message-ID: recipients
	tries  int
}

type conversation struct {
	office *postOffice
	to     string
}

func (o *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &conversation{office: o}, nil
}

func (*conversation) Reset()                               {}
func (*conversation) Logout() error                        { return nil }
func (*conversation) Mail(string, *smtp.MailOptions) error { return nil }

func (c *conversation) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.to = to
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	c.office.tries++
	if c.office.refuse != nil {
		return c.office.refuse(to)
	}
	return nil
}

func (c *conversation) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	id := "none"
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "Message-ID: "); ok {
			id = strings.TrimSpace(value)
		}
	}
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	c.office.taken[id] = append(c.office.taken[id], c.to)
	return nil
}

func (o *postOffice) count() (taken, twice, tries int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, to := range o.taken {
		taken++
		if len(to) > 1 {
			twice++
		}
	}
	return taken, twice, o.tries
}

func (o *postOffice) answer(refuse func(to string) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refuse = refuse
}

// bySMTP makes the room's workers send through an SMTP server.
func (r *room) bySMTP() *postOffice {
	r.t.Helper()
	office := &postOffice{taken: map[string][]string{}}
	server := smtp.NewServer(office)
	server.Domain = "localhost"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = server.Serve(listener)
		close(done)
	}()
	r.t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	r.settings.Mail.Mailbox = ""
	r.settings.Mail.URL = "smtp://" + listener.Addr().String()
	r.settings.Mail.From = "Billets <billets@example.org>"
	return office
}

func TestAMailThatTheServerRefusesForNowGoesOutLater(t *testing.T) { // pretix#1233
	t.Parallel()
	r := newRoom(t)
	office := r.bySMTP()
	office.answer(func(string) error { return &smtp.SMTPError{Code: 451, Message: "slow down"} })
	r.register("reg-1")
	w := r.work()
	r.publish(r.stripe.Payment("reg-1").Completed())
	w.says("Mail not sent yet")
	r.is("pending 1", `SELECT status || ' ' || attempts FROM notifications WHERE last_error LIKE '%451%' AND send_after > now() + interval '5 s'`)
	office.answer(nil)
	r.exec(`UPDATE notifications SET send_after = now()`)
	r.is("sent 2", `SELECT status || ' ' || attempts FROM notifications`)
	if taken, twice, _ := office.count(); taken != 1 || twice != 0 {
		t.Errorf("%d mails taken, %d twice", taken, twice)
	}
}

func TestAMailThatTheServerRefusesForGoodEndsVisiblyAndCanBeRetried(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	office := r.bySMTP()
	office.answer(func(to string) error { return &smtp.SMTPError{Code: 550, Message: "no mailbox " + to} })
	r.register("reg-1")
	w := r.work()
	r.publish(r.stripe.Payment("reg-1").Completed())
	r.is("failed 1", `SELECT status || ' ' || attempts FROM notifications WHERE last_error LIKE '%550%'`)
	w.says("Mail given up")
	r.is("0", `SELECT count(*) FROM notifications WHERE last_error LIKE '%@%'`)
	if strings.Contains(w.logs.String(), "reg-1@example.org") {
		t.Error("an address is logged")
	}
	office.answer(nil)
	r.exec(`UPDATE notifications SET status = 'pending', send_after = now()`)
	r.is("sent", `SELECT status FROM notifications`)
}

func TestSeveralWorkersSendNoMailTwice(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	office := r.bySMTP()
	r.exec(`UPDATE events SET capacity = NULL`)
	for i := range 120 {
		id := fmt.Sprintf("reg-%d", i)
		r.register(id)
		r.publish(r.stripe.Payment(id).Completed())
	}
	for range 3 {
		r.work()
	}
	r.is("120", `SELECT count(*) FROM notifications WHERE status = 'sent' AND attempts = 1`)
	if taken, twice, tries := office.count(); taken != 120 || twice != 0 || tries != 120 {
		t.Errorf("%d mails taken, %d twice, in %d tries", taken, twice, tries)
	}
}

func TestAWorkerThatIsToldToStopEndsTheMailThatItHasBegunAndBeginsNoOther(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	office := r.bySMTP()
	begun, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	office.answer(func(string) error {
		once.Do(func() { close(begun) })
		<-proceed
		return nil
	})
	r.register("reg-1", "reg-2")
	r.publish(r.stripe.Payment("reg-1").Completed(), r.stripe.Payment("reg-2").Completed())
	w := r.work()
	<-begun
	r.is("2", `SELECT count(*) FROM notifications`)
	w.cancel()
	close(proceed)
	w.stop()
	r.is("pending 1, sent 1", `SELECT string_agg(status || ' ' || n, ', ' ORDER BY status) FROM (SELECT status, count(*) n FROM notifications GROUP BY 1) s`)
	if taken, twice, _ := office.count(); taken != 1 || twice != 0 {
		t.Errorf("%d mails taken, %d twice", taken, twice)
	}
}

func TestAServerThatIsAwayIsAskedOnceARound(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.bySMTP()
	r.settings.Mail.URL = "smtp://" + gone.Addr().String()
	_ = gone.Close()
	for i := range 10 {
		id := fmt.Sprintf("reg-%d", i)
		r.register(id)
		r.publish(r.stripe.Payment(id).Completed())
	}
	w := r.work()
	w.says("A periodic task failed")
	r.is("10", `SELECT count(*) FROM notifications WHERE status = 'pending' AND attempts > 0`)
	r.is("0", `SELECT count(*) FROM notifications WHERE status = 'failed'`)
}

func TestAMailThatIsNoLongerWantedIsDropped(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	office := r.bySMTP()
	office.answer(func(string) error { return &smtp.SMTPError{Code: 451, Message: "later"} })
	r.register("reg-1")
	r.work()
	p := r.stripe.Payment("reg-1")
	r.publish(p.Failed(simulate.CardDeclined()))
	r.is("1", `SELECT attempts FROM notifications WHERE kind = 'payment_failed'`)
	r.publish(p.Completed())
	r.status("reg-1", "PAID")
	office.answer(nil)
	r.exec(`UPDATE notifications SET send_after = now()`)
	r.is("dropped", `SELECT status FROM notifications WHERE kind = 'payment_failed'`)
	r.is("sent", `SELECT status FROM notifications WHERE kind = 'payment_confirmed'`)
}

func TestAThrottledWorkerSendsNoMoreThanItsRate(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	office := r.bySMTP()
	r.settings.MailRate = 3
	for i := range 8 {
		id := fmt.Sprintf("reg-%d", i)
		r.register(id)
		r.publish(r.stripe.Payment(id).Completed())
	}
	started := time.Now()
	r.work()
	r.is("3", `SELECT count(*) FROM notifications WHERE status = 'sent'`)
	r.drained()
	// A burst of three, and then one in 20 s: however slow the machine is, never more than its time allows.
	taken, _, _ := office.count()
	if most := 3 + int(time.Since(started)/(20*time.Second)) + 1; taken > most {
		t.Errorf("%d mails in %s", taken, time.Since(started))
	}
}

func TestALimiterOfZeroIsNone(t *testing.T) {
	t.Parallel()
	if mailLimiter(0) != nil {
		t.Error("0 is a limit")
	}
	if l := mailLimiter(600); l.Burst() != outboxSize {
		t.Errorf("a burst of %d", l.Burst())
	}
}

func TestTheWaitForTheNextTryGrowsToAnHour(t *testing.T) {
	t.Parallel()
	last := time.Duration(0)
	for attempts := range 20 {
		pause := mailBackoff(attempts)
		if pause < last || pause > time.Hour {
			t.Errorf("%s after %d tries, %s before", pause, attempts, last)
		}
		last = pause
	}
	if last != time.Hour {
		t.Errorf("it ends at %s", last)
	}
}

func TestAMailIsTriedForADay(t *testing.T) {
	t.Parallel()
	var all time.Duration
	for attempts := 1; attempts < mailTries; attempts++ {
		all += mailBackoff(attempts)
	}
	if all < 24*time.Hour || all > 25*time.Hour {
		t.Errorf("the last of %d tries comes after %s", mailTries, all)
	}
}

func TestAMailThatCannotBeSentForADayIsGivenUpVisibly(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	office := r.bySMTP()
	office.answer(func(string) error { return &smtp.SMTPError{Code: 451, Message: "later"} })
	r.register("reg-1", "reg-2")
	r.publish(r.stripe.Payment("reg-1").Completed(), r.stripe.Payment("reg-2").Completed())
	r.work()
	r.is("2", `SELECT count(*) FROM notifications WHERE status = 'pending' AND attempts = 1 AND leased_until IS NULL`)
	r.exec(`UPDATE notifications SET created_at = now() - interval '9 days', send_after = now() WHERE registration_id = 'reg-1'`) // it waited long for its first try
	r.exec(`UPDATE notifications SET attempts = $1, send_after = now() WHERE registration_id = 'reg-2'`, mailTries-1)
	r.is("failed", `SELECT status FROM notifications WHERE registration_id = 'reg-2' AND last_error LIKE '%451%'`)
	r.is("pending 2", `SELECT status || ' ' || attempts FROM notifications WHERE registration_id = 'reg-1'`)
}
