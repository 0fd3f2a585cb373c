package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// until waits until the named alerts fire and no others do.
func (p *monitor) until(want ...string) {
	p.t.Helper()
	p.untilWhile(func() {}, want...)
}

// untilWhile waits as until does, while something goes on happening.
func (p *monitor) untilWhile(meanwhile func(), want ...string) {
	p.t.Helper()
	eventually(p.t, "alerts "+strings.Join(want, ", "), func() error {
		meanwhile()
		states, err := p.firing()
		if err != nil {
			return err
		}
		var firing []string
		for name, fires := range states {
			if fires {
				firing = append(firing, name)
			}
		}
		slices.Sort(firing)
		if !slices.Equal(firing, want) {
			return fmt.Errorf("firing are %q", firing)
		}
		return nil
	})
}

// A real Prometheus with the shipped rules watches the running services; what it waits for minutes for takes seconds.
func TestAlerts_FireOnADeadLetterOnSilenceAndOnAWorkerThatIsGone(t *testing.T) {
	t.Parallel()
	o := startObserved(t)
	o.env["SILENCE_ALARM"] = "1h"
	o.db.MustExec(`INSERT INTO events (id, title) VALUES ('gala', 'Gala')`)
	o.db.MustExec(`INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'gala', 'ada@example.org')`)
	connect(t, o.env["DATABASE_URL"]).MustExec(`
INSERT INTO stripe_events (id, type, outcome, reason, received_at) VALUES ('evt_old', 'customer.created', 'ignored', 'type not handled', now() - interval '2 hours')`)
	stop := o.work()
	p := startPrometheus(t, map[string]string{"ingester": o.ingester, "worker": o.worker}, map[string]map[string]string{"rules.yml": {"for: 2m": "for: 5s"}})
	p.scraped()
	p.until("GuichetSilence")
	o.post(o.stripe.Payment("reg-1").Completed())
	o.status("reg-1", "PAID")
	stop()
	o.env["ADMIN_ADDR"] = o.worker // where Prometheus looks; a new worker looks for silence at once
	stop = o.work()
	p.until()
	o.post(poison("evt_poison"))
	p.until("GuichetDeadLetter")
	stop()
	p.until("GuichetDeadLetter", "GuichetWorkerDown")
}

// Where no worker tells what is usual, six hours without an event do; they take some seconds here.
func TestAlerts_FireWhereNoEventComesAndNothingIsUsualYet(t *testing.T) {
	t.Parallel()
	o := startObserved(t)
	p := startPrometheus(t, map[string]string{"ingester": o.ingester, "worker": "127.0.0.1:1"}, map[string]map[string]string{"rules.yml": {
		`{status="200"}[1h])) == 0`: `{status="200"}[15s])) == 0`, "for: 5h": "for: 2s", "for: 2m": "for: 5s",
	}})
	p.until("GuichetNoEvents", "GuichetWorkerDown")
	p.untilWhile(func() { o.post(o.stripe.Unrelated("customer.created")) }, "GuichetWorkerDown")
	p.until("GuichetNoEvents", "GuichetWorkerDown")
}
