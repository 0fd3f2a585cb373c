//go:build linux

package chaos

import (
	"errors"
	"time"

	"github.com/emersion/go-smtp"
)

// What a worker prints of a mail that it will try again.
const notSent = `Mail not sent yet`

// mailFaults are what an SMTP server does to whoever hands it mails.
func mailFaults() []scenario {
	one := shape{workers: 2, env: map[string]string{"SMTP_TIMEOUT": "1s"}}
	// misbehave has the server be so until it has met some mails, and lets the pauses between their tries pass.
	misbehave := func(how func(r *run) manner) func(r *run, nth int) {
		return func(r *run, _ int) {
			r.mails.behave(how(r))
			for range 4 {
				pause(r.t, time.Second)
				r.sql(`UPDATE notifications SET send_after = least(send_after, now()) WHERE status = 'pending'`)
			}
			r.mails.behave(manner{})
		}
	}
	refuse := func(code int) func(r *run) manner {
		return func(*run) manner {
			return manner{data: func(*smtp.Conn) error { return refusal(code, "no") }}
		}
	}
	return []scenario{
		{name: "SMTP answers 4xx", times: counts{1, 20}, shape: one, prints: notSent, fault: misbehave(refuse(452))},
		{
			name: "SMTP answers 5xx", times: counts{1, 20}, shape: one, fault: misbehave(refuse(554)),
			end: func(r *run) { // what was given up stays visible until a person has it tried again
				var given int
				if err := r.db.Get(&given, `SELECT count(*) FROM notifications WHERE status = 'failed'`); err != nil || given == 0 {
					r.t.Errorf("%d mails were given up (%v)", given, err)
				}
				r.sql(`UPDATE notifications SET status = 'pending', send_after = now() WHERE status = 'failed'`)
				r.mailed()
			},
		},
		{name: "SMTP refuses connections", times: counts{1, 20}, shape: one, prints: notSent, fault: misbehave(func(*run) manner {
			return manner{greet: func() error { return refusal(421, "too busy") }}
		})},
		{name: "SMTP hangs", times: counts{1, 10}, shape: one, prints: notSent, fault: misbehave(func(r *run) manner {
			return manner{rcpt: func() error {
				pause(r.t, 3*time.Second)
				return refusal(451, "asleep")
			}}
		})},
		{name: "SMTP hangs up inside a mail", times: counts{1, 20}, shape: one, prints: notSent, fault: misbehave(func(*run) manner {
			return manner{data: func(c *smtp.Conn) error {
				_ = c.Close()
				return errors.New("gone")
			}}
		})},
		{name: "SMTP throttles to 1 a second", times: counts{1, 20}, shape: one, prints: notSent, fault: misbehave(func(*run) manner {
			return manner{rcpt: throttle(1)}
		})},
	}
}
