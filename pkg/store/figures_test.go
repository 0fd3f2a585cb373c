package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

func (f *fixture) figures() store.Figures {
	f.t.Helper()
	figures, err := f.store.Figures(f.t.Context(), 20)
	if err != nil {
		f.t.Fatal(err)
	}
	return figures
}

func (f *fixture) counts() map[registration.Status]int64 {
	f.t.Helper()
	counts, err := f.store.CountRegistrations(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return counts
}

func TestFiguresOfAnEmptyDatabaseAreZero(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	got, counts := f.figures(), f.counts()
	if len(counts) != len(registration.Statuses()) {
		t.Errorf("statuses: %v", counts)
	}
	for status, n := range counts {
		if n != 0 {
			t.Errorf("%d are %s", n, status)
		}
	}
	if len(got.Seats)+len(got.Attention)+len(got.Disputes) > 0 || got.MailsFailed != 0 {
		t.Errorf("%+v", got)
	}
	for name, q := range map[string]store.Queue{"mails": got.Mails, "unlinked": got.Unlinked, "due": got.Due, "deadlines": got.Deadlines} {
		if q.Count != 0 || q.Since != nil {
			t.Errorf("%s: %+v", name, q)
		}
	}
}

func TestFiguresCountWhatIsThereAndSinceWhenItWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2", "reg-3")
	f.process(paidFor(1, "reg-1"), failedFor(2, "reg-2"), paidFor(3, "reg-late"))
	f.now = noon.Add(25 * time.Hour)
	got := f.figures()
	if r := f.counts(); r[registration.PaidStatus] != 1 || r[registration.Failed] != 1 || r[registration.Pending] != 1 || r[registration.Canceled] != 0 {
		t.Errorf("registrations: %v", r)
	}
	for name, tt := range map[string]struct {
		got   store.Queue
		count int64
	}{
		"mails": {got.Mails, 2}, "unlinked facts": {got.Unlinked, 1}, "due rows": {got.Due, 1}, "deadlines": {got.Deadlines, 1},
	} {
		if tt.got.Count != tt.count || tt.got.Since == nil || tt.got.Since.After(time.Now()) {
			t.Errorf("%s: %+v, want %d", name, tt.got, tt.count)
		}
	}
	if since := got.Deadlines.Since; since != nil && !since.Equal(noon.Add(2*time.Second+24*time.Hour)) {
		t.Errorf("the oldest deadline was %s", since)
	}
	f.exec(`UPDATE notifications SET status = 'failed' WHERE registration_id = 'reg-2'`)
	if got := f.figures(); got.Mails.Count != 1 || got.MailsFailed != 1 {
		t.Errorf("mails: %+v, %d failed", got.Mails, got.MailsFailed)
	}
}

func TestFiguresSumTheMoneyThatWaitsForAPerson(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1", "reg-2", "reg-3")
	amount := func(minor int64, currency string) adjust {
		return func(p *registration.Fact) { p.Amount, p.Currency = minor, currency }
	}
	dispute := func(n int, about, id string, due time.Time) store.Received {
		return fact(n, registration.Disputed, about, of("", "pi_"+about, "ch_"+about), func(d *registration.Fact) {
			d.Dispute, d.Amount, d.Currency, d.DueBy = id, 2500, "eur", due
		})
	}
	f.process(
		paidFor(1, "reg-1"), fact(2, registration.Paid, "reg-1", of("cs_b", "pi_b", ""), amount(3000, "eur")),
		fact(3, registration.Paid, "reg-2", of("cs_c", "pi_c", ""), amount(100, "CHF")), fact(4, registration.Paid, "reg-2", of("cs_d", "pi_d", ""), amount(50, "CHF")),
		dispute(5, "reg-1", "dp_open", noon.Add(7*24*time.Hour)), dispute(6, "reg-3", "dp_second", noon.Add(3*24*time.Hour)), dispute(7, "reg-3", "dp_won", noon),
		fact(8, registration.DisputeClosed, "reg-3", of("", "pi_reg-3", "ch_reg-3"), func(d *registration.Fact) { d.Dispute, d.Outcome = "dp_won", "won" }),
	)
	got := f.figures()
	var flags []string
	for _, a := range got.Attention {
		flags = append(flags, fmt.Sprintf("%s %s %d %d", a.Flag, a.Currency, a.Count, a.Amount))
	}
	slices.Sort(flags)
	if want := []string{"double_payment chf 1 50"}; !slices.Equal(flags, want) {
		t.Errorf("attention: %q, want %q", flags, want)
	}
	if d := got.Disputes; len(d) != 1 || d[0].Currency != "eur" || d[0].Count != 2 || d[0].Amount != 5000 || !d[0].DueBy.Equal(noon.Add(3*24*time.Hour)) {
		t.Errorf("disputes: %+v", d)
	}
	f.now = noon.Add(4 * 24 * time.Hour)
	if d := f.figures().Disputes; !d[0].DueBy.Equal(noon.Add(7 * 24 * time.Hour)) {
		t.Errorf("once the first date has passed: %+v", d)
	}
	f.exec(`UPDATE attention SET acknowledged_at = now()`)
	if got := f.figures(); len(got.Attention) != 0 {
		t.Errorf("acknowledged attention still waits: %+v", got.Attention)
	}
}

func TestFiguresShowTheFullestOfTheNextEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 30 {
		f.exec(`INSERT INTO events (id, title, capacity, starts_at) VALUES ($1, 'x', 10, $2)`, fmt.Sprintf("next-%02d", i), noon.Add(time.Duration(i)*time.Hour))
	}
	f.exec(`INSERT INTO events (id, title, capacity, starts_at) VALUES ('past', 'x', 1, $1)`, noon.Add(-48*time.Hour))
	f.exec(`INSERT INTO events (id, title, capacity) VALUES ('undated', 'x', 2), ('unlimited', 'x', NULL)`)
	f.register("past", "reg-0")
	f.register("undated", "reg-1")
	f.register("next-17", "reg-2")
	f.register("unlimited", "reg-3")
	figures, err := f.store.Figures(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range figures.Seats {
		got = append(got, fmt.Sprintf("%s %d", s.ID, s.Held))
	}
	if want := []string{"undated 1", "next-17 1", "next-00 0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// An index read from end to end holds only what waits, or is counted alone, or the query stops early.
func TestFiguresAreReadFromIndexesWhateverIsKnownOfTheTables(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{
		"registrations": "registrations_status",
		"seats":         "events_dated events_undated",
		"attention":     "attention_open stripe_events_pkey registrations_pkey",
		"disputes":      "stripe_events_disputes",
		"mails":         "notifications_pending", "failed mails": "notifications_failed",
		"unlinked facts": "stripe_events_waiting", "due registrations": "registrations_due", "deadlines": "registrations_deadline",
	}
	for name, prepare := range map[string]string{"new tables": ``, "small tables": smallFill + `ANALYZE`, "large tables": fill + `ANALYZE`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.exec(prepare)
			db := f.store.DB()
			db.SetMaxOpenConns(1)
			for what, query := range store.FigureQueries() {
				db.MustExec(`PREPARE figure AS ` + query)
				for _, p := range prepared(t, db) {
					if p.Name != "figure" {
						continue
					}
					for _, problem := range otherScans(explain(t, db, p), strings.Fields(allowed[what])) {
						t.Errorf("%s: %s", what, problem)
					}
				}
				db.MustExec(`DEALLOCATE figure`)
			}
		})
	}
}

func otherScans(p plan, indexes []string) []string {
	var out []string
	if p.Relation != "" && !slices.Contains(indexes, p.Index) {
		out = append(out, fmt.Sprintf("%s of %s (%s)", p.NodeType, p.Relation, p.Index))
	}
	for _, child := range p.Plans {
		out = append(out, otherScans(child, indexes)...)
	}
	return out
}
