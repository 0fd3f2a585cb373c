package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/simulate"
)

// demoCase is a row of the demo's table: what the guide promises.
type demoCase struct{ name, answers, status, seat, mails string }

func demoCases() []demoCase {
	return []demoCase{
		{"paid", "200 200", "PAID", "held", "payment_confirmed"},
		{"card 4000000000000002 declined", "200", "FAILED", "held", "payment_failed"},
		{"declined, then paid by another card", "200 200", "PAID", "held", "payment_failed, payment_confirmed"},
		{"canceled", "200", "CANCELED", "-", "payment_canceled"},
		{"3-D Secure asked for", "200", "PENDING", "held", "action_required"},
		{"session expired", "200", "EXPIRED", "-", "session_expired"},
		{"paid, then disputed", "200 200 200", "FAILED", "held", "payment_confirmed, dispute_opened"},
		{"paid, delivered three times", "200 200 200", "PAID", "held", "payment_confirmed"},
		{"paid, but with a bad signature", "400", "PENDING", "held", "-"},
		{"paid, then a late failure", "200 200", "PAID", "held", "payment_confirmed"},
		{"last place, the second buyer refused", "200", "PAID", "held", "payment_confirmed"},
		{"session over 2 h ago, no event came", "-", "EXPIRED", "-", "session_expired"},
		{"declined 25 h ago", "200", "FAILED", "-", "payment_failed"},
		{"paid too late, then a place came free", "200", "PAID", "held", "session_expired, payment_confirmed, attention"},
		{"paid too late as well, next in line", "200", "PAID", "-", "session_expired, payment_confirmed, attention"},
		{"canceled 31 days ago: name and address blanked", "200", "CANCELED", "-", "payment_canceled"},
	}
}

// table reads the lines after a heading, up to an empty one, split where two spaces or more are.
func (d *devStack) table(heading string) [][]string {
	d.t.Helper()
	_, after, found := strings.Cut(d.out.String(), "\n"+heading)
	if !found {
		d.t.Fatalf("there is no table %s", heading)
	}
	body, _, _ := strings.Cut(after, "\n\n")
	var rows [][]string
	for _, line := range strings.Split(body, "\n")[1:] {
		rows = append(rows, regexp.MustCompile(` {2,}`).Split(line, -1))
	}
	return rows
}

// checkDemo wants the demo's table as the guide promises, as the README shows it, and as the database says.
func (d *devStack) checkDemo() {
	d.t.Helper()
	cases := d.table("CASE")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		d.t.Fatal(err)
	}
	if len(cases) != len(demoCases()) {
		d.t.Fatalf("%d cases", len(cases))
	}
	db := d.database()
	for i, want := range demoCases() {
		row := cases[i]
		if len(row) != 6 || !slices.Equal(row[:5], []string{want.name, want.answers, want.status, want.seat, want.mails}) {
			d.t.Errorf("%q, want %+v", row, want)
			continue
		}
		if shown := regexp.MustCompile(`(?m)^` + strings.Join(quoted(row[:5]), ` {2,}`) + `$`); !shown.Match(readme) {
			d.t.Errorf("the README's table does not show %q", row[:5])
		}
		var status, seat string
		err := db.QueryRow(`SELECT status, CASE WHEN seat_held THEN 'held' ELSE '-' END FROM registrations WHERE id = $1`, row[5]).Scan(&status, &seat)
		if err != nil || status != want.status || seat != want.seat {
			d.t.Errorf("%s: the database says %s, %s (%v)", row[5], status, seat, err)
		}
	}
	if got := d.table("EVENT"); fmt.Sprint(got) != "[[Atelier Go 12 9 3] [Dernière place 1 1 0] [File d'attente 2 2 0]]" {
		d.t.Errorf("places: %q", got)
	}
}

func quoted(words []string) []string {
	var out []string
	for _, w := range words {
		out = append(out, regexp.QuoteMeta(w))
	}
	return out
}

func TestDev_PlaysTheGuidesCasesAndServesOn(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	first := dev(t, data, nil)
	first.checkDemo()
	for _, line := range append(slices.Clone(ingesterLines), workerLines...) {
		if !strings.Contains(line, "Failed to") { // nothing fails in the demo
			first.match(strings.ReplaceAll(line, `reg-\d+`, `reg-[\w-]+`))
		}
	}
	if code, body := first.get("/readyz?verbose"); code != http.StatusOK || body != "[+] ingester\n[+] worker\nready\n" {
		t.Errorf("%d %s", code, body)
	}
	_, metrics := first.get("/metrics")
	for _, service := range []string{"guichet_ingest_", "guichet_worker_"} {
		if !strings.Contains(metrics, "\n"+service) {
			t.Errorf("no metric of %s is in\n%s", service, metrics)
		}
	}
	first.checkLapses()
	mails, err := os.ReadDir(filepath.Join(data, "mailbox"))
	if err != nil || len(mails) == 0 || len(mails) != strings.Count(first.out.String(), "Mail sent") {
		t.Errorf("%d files in the mailbox (%v)", len(mails), err)
	}
	secret := first.env["STRIPE_WEBHOOK_SECRET"]
	first.interrupt()

	second := dev(t, data, nil)
	second.checkDemo()
	if second.env["STRIPE_WEBHOOK_SECRET"] != secret {
		t.Error("the folder's secret is another one")
	}
	var runs int
	if err := second.database().Get(&runs, `SELECT count(*) FROM events WHERE title = 'Atelier Go'`); err != nil || runs != 2 {
		t.Errorf("%d runs are in the database (%v)", runs, err)
	}
	second.interrupt()
}

// checkLapses wants that the clock made what the demo says it did, and that the place that came free went to
// the older payment.
func (d *devStack) checkLapses() {
	d.t.Helper()
	db := d.database()
	for query, want := range map[string]int{
		`SELECT count(*) FROM stripe_events WHERE source = 'clock' AND kind = 'session_expired'`:                                                                      3,
		`SELECT count(*) FROM stripe_events WHERE source = 'clock' AND kind = 'hold_expired'`:                                                                         2,
		`SELECT count(*) FROM registrations WHERE status = 'CANCELED' AND email = '' AND name IS NULL`:                                                                1,
		`SELECT count(*) FROM registrations WHERE 'paid_without_seat' = ANY (attention) AND paid_at > (SELECT min(paid_at) FROM registrations WHERE status = 'PAID')`: 1,
		`SELECT count(*) FROM attention WHERE flag = 'paid_without_seat' AND cleared_at IS NOT NULL`:                                                                  1,
	} {
		var got int
		if err := db.Get(&got, query); err != nil || got != want {
			d.t.Errorf("%s: %d, want %d (%v)", query, got, want, err)
		}
	}
}

// What the environment says of cleanup holds in the demo too: it does not wait for what would come too late.
func TestDev_LeavesTheCleanupAsItIsSet(t *testing.T) {
	t.Parallel()
	d := dev(t, dataFolder(t), []string{"CLEANUP_INTERVAL=1h"})
	if !strings.Contains(d.out.String(), "without those of time that has passed: CLEANUP_INTERVAL is 1h") {
		t.Error("it does not say which cases it leaves out")
	}
	if rows, places := d.table("CASE"), d.table("EVENT"); len(rows) != 11 || len(places) != 2 {
		t.Errorf("it shows %q, %q", rows, places)
	}
	d.interrupt()
}

// recipe is the commands that the terminal shows between two of its lines.
func (d *devStack) recipe(from, to string) string {
	d.t.Helper()
	_, after, ok := strings.Cut(d.out.String(), from+"\n")
	commands, _, found := strings.Cut(after, to)
	if !ok || !found {
		d.t.Fatalf("no commands between %q and %q", from, to)
	}
	return commands
}

func TestDev_ShowsCommandsThatWork(t *testing.T) {
	t.Parallel()
	d := dev(t, dataFolder(t), nil, "--no-demo")
	d.shell(d.recipe("Make a registration, as the platform does:", "\nSend"))
	byHand := d.recipe("or the same by hand:", "and see")
	if got := d.shell(byHand); !strings.Contains(got, "200 OK") || !strings.Contains(got, `"duplicate":false`) {
		t.Errorf("by hand: %s", got)
	}
	d.settles("reg-1", "PAID", true)
	forged := strings.Replace(byHand, "--data-binary \"$body\"", `--data-binary "$(printf %s "$body" | sed 's/4500/4501/')"`, 1)
	if got := d.shell(forged); !strings.Contains(got, "400 Bad Request") || !strings.Contains(got, "signature_wrong") {
		t.Errorf("one byte is another: %s", got)
	}
	if got := d.shell(d.recipe("and see what came of it:", "\nCtrl-C")); !regexp.MustCompile(`\nNow +PAID, its place is held\.`).MatchString(got) {
		t.Errorf("what came of it: %s", got)
	}
	if got := d.shell(d.recipe("Send one more event, from another terminal:", "or the same by hand:")); !strings.Contains(got, "200 OK") {
		t.Errorf("trigger: %s", got)
	}
	d.interrupt()
}

// settles waits until a registration is as wanted, with nothing left to do about it.
func (d *devStack) settles(id, status string, seat bool) {
	d.t.Helper()
	db := d.database()
	eventually(d.t, id+" settles", func() error {
		var got struct {
			Status string
			Seat   bool `db:"seat_held"`
			Due    bool
		}
		err := db.Get(&got, `SELECT status, seat_held, due_at IS NOT NULL AS due FROM registrations WHERE id = $1`, id)
		if err == nil && (got.Status != status || got.Seat != seat || got.Due) {
			err = fmt.Errorf("it is %+v, want %s, %t", got, status, seat)
		}
		return err
	})
}

// triggered is what an event type comes to, after the events before it.
type triggered struct {
	before  []string
	status  string
	seat    bool
	outcome string
}

func triggers() map[string]triggered {
	paid := []string{"checkout.session.completed"}
	disputed := append(paid, "charge.dispute.created")
	return map[string]triggered{
		"checkout.session.completed":               {nil, "PAID", true, "settled"},
		"checkout.session.async_payment_succeeded": {nil, "PAID", true, "settled"},
		"checkout.session.async_payment_failed":    {nil, "FAILED", true, "settled"},
		"checkout.session.expired":                 {nil, "EXPIRED", false, "settled"},
		"payment_intent.created":                   {nil, "PENDING", true, "ignored"},
		"payment_intent.processing":                {nil, "PENDING", true, "ignored"},
		"payment_intent.requires_action":           {nil, "PENDING", true, "settled"},
		"payment_intent.payment_failed":            {nil, "FAILED", true, "settled"},
		"payment_intent.canceled":                  {nil, "CANCELED", false, "settled"},
		"payment_intent.succeeded":                 {nil, "PENDING", true, "settled"},
		"charge.succeeded":                         {nil, "PENDING", true, "ignored"},
		"charge.refunded":                          {paid, "REFUNDED", false, "settled"},
		"charge.refund.updated":                    {append(paid, "charge.refunded"), "REFUNDED", false, "settled"},
		"refund.failed":                            {append(paid, "charge.refunded"), "REFUNDED", false, "settled"},
		"charge.dispute.created":                   {paid, "FAILED", true, "settled"},
		"charge.dispute.updated":                   {disputed, "FAILED", true, "settled"},
		"charge.dispute.funds_withdrawn":           {disputed, "FAILED", true, "settled"},
		"charge.dispute.funds_reinstated":          {disputed, "FAILED", true, "settled"},
		"charge.dispute.closed":                    {disputed, "FAILED", false, "settled"},
		"customer.created":                         {nil, "PENDING", true, "ignored"},
		simulate.ThinType:                          {nil, "PENDING", true, "ignored"},
	}
}

func TestTrigger_EveryTypeIsAcceptedAndSettlesAsItShould(t *testing.T) {
	t.Parallel()
	d := dev(t, dataFolder(t), nil, "--no-demo")
	d.exec(`INSERT INTO events (id, title, capacity) VALUES ('evt-1', 'Atelier', 100)`)
	list := start(t, "guichet", nil, "trigger", "--list", "--output", "json")
	list.code()
	var types []struct{ Type string }
	if err := json.Unmarshal([]byte(list.out.String()), &types); err != nil || len(types) != len(triggers()) {
		t.Fatalf("%d types are listed, %d are known here (%v)", len(types), len(triggers()), err)
	}
	for i, k := range types {
		want, known := triggers()[k.Type]
		if !known {
			t.Errorf("%s is new", k.Type)
			continue
		}
		id, event := fmt.Sprintf("reg-%d", i), fmt.Sprintf("evt_tried_%d", i)
		d.exec(`INSERT INTO registrations (id, event_id, email) VALUES ($1, 'evt-1', $1 || '@example.org')`, id)
		for _, before := range want.before {
			if status := d.trigger(before, "--registration", id); status != http.StatusOK {
				t.Errorf("%s before %s: %d", before, k.Type, status)
			}
		}
		if status := d.trigger(k.Type, "--registration", id, "--id", event); status != http.StatusOK {
			t.Errorf("%s: %d", k.Type, status)
		}
		var outcome string
		db := d.database()
		eventually(t, k.Type+" is "+want.outcome, func() error {
			if err := db.Get(&outcome, `SELECT outcome FROM stripe_events WHERE id = $1`, event); err != nil || outcome != want.outcome {
				return fmt.Errorf("it is %q (%w)", outcome, err)
			}
			return nil
		})
		d.settles(id, want.status, want.seat)
	}
	if status := d.trigger("charge.refunded"); status != http.StatusOK { // nobody's
		t.Errorf("without a registration: %d", status)
	}
	var wrong int
	if err := d.database().Get(&wrong, `SELECT count(*) FROM events e WHERE seats_held <> (SELECT count(*) FROM registrations r WHERE r.event_id = e.id AND seat_held)`); err != nil || wrong > 0 {
		t.Errorf("the places are counted wrong (%v)", err)
	}
	d.interrupt()
}
