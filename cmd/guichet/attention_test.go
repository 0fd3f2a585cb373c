package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/store"
)

// withAttention is the environment of a database in which these are raised: a payment too many, one without a
// registration, and one that has cleared since.
func withAttention(t *testing.T) map[string]string {
	t.Helper()
	url := pgtest.Database(t)
	if _, _, err := store.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db := sqlx.MustConnect("postgres", url)
	defer func() { _ = db.Close() }()
	db.MustExec(`
INSERT INTO attention (registration_id, fact_id, flag, object, raised_at, cleared_at) VALUES
    ('reg-1', 'evt_1', 'double_payment', 'pi_2', '2026-03-10 12:00Z', NULL),
    (NULL, 'evt_2', 'unknown_registration', 'evt_2', '2026-03-10 13:00Z', NULL),
    ('reg-3', 'evt_3', 'paid_without_seat', 'pi_3', '2026-03-09 08:00Z', '2026-03-09 09:30Z')`)
	return map[string]string{"DATABASE_URL": url}
}

// words are a table's lines, with single spaces.
func words(table string) string {
	var lines []string
	for line := range strings.Lines(table) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestAttention_ListsWhatWaitsUntilSomebodyHasSeenToIt(t *testing.T) {
	t.Parallel()
	env := withAttention(t)
	const head = "NUMBER RAISED FLAG REGISTRATION ABOUT STATE\n"
	const unknown = "2 2026-03-10 13:00:00 unknown_registration - evt_2 open"
	if got := guichet(t, env, "attention"); got.code != service.ExitOK || words(got.stdout) != head+unknown+"\n1 2026-03-10 12:00:00 double_payment reg-1 pi_2 open" {
		t.Errorf("%+v", got)
	}
	if got := guichet(t, env, "attention", "ack", "1", "--by", "Zoé", "--note", "refunded pi_2"); got.code != service.ExitOK || !strings.Contains(got.stdout, "seen by Zoé") {
		t.Errorf("%+v", got)
	}
	if got := guichet(t, env, "attention", "list"); words(got.stdout) != head+unknown {
		t.Errorf("%+v", got)
	}
	all := guichet(t, env, "attention", "list", "--all")
	for _, line := range []string{"double_payment reg-1 pi_2 seen by Zoé: refunded pi_2", "paid_without_seat reg-3 pi_3 cleared 2026-03-09 09:30:00"} {
		if !strings.Contains(words(all.stdout), line) {
			t.Errorf("it does not say %q: %+v", line, all)
		}
	}
	if got := guichet(t, env, "attention", "ack", "2", "--note", "another product's"); got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
	if got := guichet(t, env, "attention"); got.stdout != "Nothing waits for a person.\n" {
		t.Errorf("%+v", got)
	}
}

func TestAttention_IsAListForPrograms(t *testing.T) {
	t.Parallel()
	env := withAttention(t)
	read := func() []store.Occurrence {
		t.Helper()
		got := guichet(t, env, "attention", "list", "--output", "json")
		out := []store.Occurrence(nil)
		if err := json.Unmarshal([]byte(got.stdout), &out); err != nil || out == nil {
			t.Errorf("%v: %+v", err, got)
		}
		return out
	}
	if got := read(); len(got) != 2 || got[1].Flag != "double_payment" || got[1].RegistrationID != "reg-1" || got[1].Object != "pi_2" {
		t.Errorf("%+v", got)
	}
	for _, number := range []string{"1", "2"} {
		guichet(t, env, "attention", "ack", number, "--note", "x")
	}
	if got := read(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAttention_IsAcknowledgedOnceAndWithANote(t *testing.T) {
	t.Parallel()
	env := withAttention(t)
	for _, args := range [][]string{{"1"}, {"1", "--note", " "}, {"x", "--note", "y"}} {
		if got := guichet(t, env, append([]string{"attention", "ack"}, args...)...); got.code != service.ExitUsage {
			t.Errorf("%v: %+v", args, got)
		}
	}
	for number, code := range map[string]int{"9": service.ExitFailed, "1": service.ExitOK} {
		if got := guichet(t, env, "attention", "ack", number, "--note", "seen"); got.code != code {
			t.Errorf("%s: %+v", number, got)
		}
	}
	if got := guichet(t, env, "attention", "ack", "1", "--note", "seen again"); got.code != service.ExitFailed || !strings.Contains(got.stderr, "no such attention is open") {
		t.Errorf("%+v", got)
	}
}

func TestAttention_AsksAPersonAndRecordsIt(t *testing.T) {
	t.Parallel()
	env := withAttention(t)
	db := sqlx.MustConnect("postgres", env["DATABASE_URL"])
	defer func() { _ = db.Close() }()
	ack := func(answer string) result {
		return guichetAsked(t, env, answer, "attention", "ack", "1", "--note", "called Ada", "--by", "Zoé")
	}
	recorded := func() string {
		var out string
		if err := db.Get(&out, `SELECT coalesce(string_agg(concat_ws(' ', command, by_whom, detail, result), ';'), '') FROM operations WHERE finished_at IS NOT NULL`); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := ack("n\n"); got.code != service.ExitFailed || !strings.Contains(got.stderr, "Attention 1 will be noted as seen by Zoé") || recorded() != "" {
		t.Errorf("%+v, recorded %s", got, recorded())
	}
	got := ack("y\n")
	if want := `attention ack Zoé {"attention": 1} {"by": "Zoé", "attention": 1}`; got.code != service.ExitOK || recorded() != want {
		t.Errorf("%+v, recorded %s", got, recorded())
	}
}
