package acceptance

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// ops runs a command of the tool on the stack, and wants it to go well.
func (d *devStack) ops(args ...string) string {
	d.t.Helper()
	p := start(d.t, "guichet", nil, append(args, "--data", d.data)...)
	if code := p.code(); code != 0 {
		d.t.Errorf("guichet %s ended with %d:\n%s", strings.Join(args, " "), code, p.out.String())
	}
	return p.out.String()
}

// The cases of the demo, as whoever is asked about them looks for an answer.
func TestOps_ACustomerSaysTheyPaid(t *testing.T) {
	t.Parallel()
	d := dev(t, dataFolder(t), nil)
	registration := func(of string) string { return d.match(regexp.QuoteMeta(of) + ` .*(reg-\S+)\n`) }
	for what, c := range map[string]struct{ of, says string }{
		"late and seated":     {"paid too late, then a place came free", "Now +PAID, its place is held"},
		"late and not seated": {"paid too late as well, next in line", "Waiting for +A place at "},
		"disputed":            {"paid, then disputed", "Waiting for +The bank's decision on dispute "},
		"declined":            {"card 4000000000000002 declined", "Waiting for +Another try to pay, until "},
		"never arrived":       {"paid, but with a bad signature", "Waiting for +A payment, of which no event has come, until "},
		"blanked":             {"canceled 31 days ago: name and address blanked", "its personal fields were blanked"},
	} {
		if got := d.ops("trace", registration(c.of)); !regexp.MustCompile(c.says).MatchString(got) {
			t.Errorf("%s: %q is not in\n%s", what, c.says, got)
		}
	}
	money := d.ops("money")
	for _, want := range []string{"open_dispute +" + registration("paid, then disputed"), "paid_without_seat +" + registration("paid too late as well, next in line")} {
		if !regexp.MustCompile(want).MatchString(money) {
			t.Errorf("%q is not in\n%s", want, money)
		}
	}
	var events []struct{ Event, Registration string }
	if err := json.Unmarshal([]byte(d.ops("events", "--registration", registration("paid, then disputed"), "-o", "json")), &events); err != nil || len(events) != 2 {
		t.Fatalf("%+v (%v)", events, err)
	}
	if got := d.ops("events", "show", events[0].Event); !strings.Contains(got, `"email": "***"`) && !strings.Contains(got, `"receipt_email": "***"`) {
		t.Errorf("who it is about is not masked:\n%s", got)
	}
	if got := d.ops("status"); !strings.Contains(got, "all processed") || !strings.Contains(got, "1 open, the first wants evidence by ") {
		t.Errorf("status:\n%s", got)
	}
	if got := d.ops("mails", "list", "--status", "failed"); got != "No mail is such.\n" {
		t.Errorf("mails:\n%s", got)
	}
	d.interrupt()
}
