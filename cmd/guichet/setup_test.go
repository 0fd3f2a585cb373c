package main

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/stream"
)

// setupEnv is the environment of a setup on servers of the test's own.
func setupEnv(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"NATS_URL": natsServer(t), "DATABASE_URL": pgtest.Database(t)}
}

func natsServer(t *testing.T) string {
	t.Helper()
	s, err := localnats.Start(localnats.Options{Dir: t.TempDir(), Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s.URL()
}

// rows reads a table into the words before its details.
func rows(table string) []string {
	var out []string
	for line := range strings.Lines(table) {
		what, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _, _ := strings.Cut(strings.TrimSpace(rest), "  ")
		out = append(out, what+" "+name)
	}
	return out
}

func TestSetup_CreatesAllThenFindsAll(t *testing.T) {
	t.Parallel()
	env := setupEnv(t)
	first := guichet(t, env, "setup")
	if first.code != service.ExitOK || first.stderr != "" {
		t.Fatalf("%+v", first)
	}
	got := rows(first.stdout)
	want := []string{"DONE WHAT", "created stream STRIPE_EVENTS", "created stream STRIPE_DEAD_LETTERS", "created consumer worker"}
	if len(got) <= len(want) || strings.Join(got[:len(want)], "\n") != strings.Join(want, "\n") || !strings.HasPrefix(got[len(want)], "created schema 00001_") {
		t.Errorf("%q", got)
	}
	second := guichet(t, env, "setup")
	want = []string{"DONE WHAT", "found stream STRIPE_EVENTS", "found stream STRIPE_DEAD_LETTERS", "found consumer worker", "found schema"}
	if got := rows(second.stdout); second.code != service.ExitOK || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d %q", second.code, got)
	}
}

func TestSetup_PrintsJSONForPrograms(t *testing.T) {
	t.Parallel()
	env := setupEnv(t)
	for _, want := range []string{"created", "found"} {
		got := guichet(t, env, "setup", "--output", "json")
		var done []map[string]string
		if err := json.Unmarshal([]byte(got.stdout), &done); err != nil || len(done) < 4 || got.code != service.ExitOK {
			t.Fatalf("%v %+v", err, got)
		}
		for _, d := range done {
			if d["what"] != want || d["name"] == "" {
				t.Errorf("%v, want %s", d, want)
			}
		}
	}
}

func TestSetup_MakesTheSchemaThatTheSearchPathNames(t *testing.T) {
	t.Parallel()
	env := setupEnv(t)
	env["DATABASE_URL"] += "&options=-csearch_path%3Dtickets"
	if got := guichet(t, env, "setup"); got.code != service.ExitOK {
		t.Fatalf("%+v", got)
	}
	var schema string
	if err := database(t, env).Get(&schema, `SELECT schemaname FROM pg_tables WHERE tablename = 'registrations'`); err != nil || schema != "tickets" {
		t.Errorf("registrations are in %q (%v)", schema, err)
	}
}

func database(t *testing.T, env map[string]string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Connect("postgres", env["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestSetup_NamesEveryWrongSetting(t *testing.T) {
	t.Parallel()
	got := guichet(t, map[string]string{
		"NATS_URL": "nats://me:hunter2%zz@host", "STREAM_MAX_AGE": "long", "STREAM_REPLICAS": "2",
	}, "setup")
	for _, want := range []string{"NATS_URL", "DATABASE_URL is not set", "STREAM_MAX_AGE is not a valid duration", "STREAM_REPLICAS must be 1 or 3", "setup --help"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("%q is not in\n%s", want, got.stderr)
		}
	}
	if got.code != service.ExitUsage || got.stdout != "" || strings.Contains(got.stderr, "hunter2") {
		t.Errorf("%+v", got)
	}
}

func TestSetup_HelpListsItsSettingsWithDefaults(t *testing.T) {
	t.Parallel()
	got := guichet(t, nil, "setup", "--help")
	for _, want := range []string{
		"\n    NATS_URL *               nats://127.0.0.1:4222  ", "\n    DATABASE_URL *           -  ", "\n    STREAM_MAX_AGE           840h  ",
		"\n    STREAM_MAX_BYTES         8589934592  ", "\n    STREAM_DUPLICATE_WINDOW  24h  ", "\n    STREAM_REPLICAS          1  ",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%q is not in\n%s", want, got.stdout)
		}
	}
}

// mute accepts connections and says nothing.
func mute(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestSetup_SaysWhatItCannotReachInTime(t *testing.T) {
	t.Parallel()
	const bound = 20 * time.Second // it waits for 10
	tests := map[string]struct {
		env  func(*testing.T) map[string]string
		want string
	}{
		"no NATS": {func(*testing.T) map[string]string {
			return map[string]string{"NATS_URL": "nats://me:hunter2@127.0.0.1:1"}
		}, "reach NATS at 127.0.0.1:1: nats: no servers available"},
		"mute NATS": {func(t *testing.T) map[string]string {
			return map[string]string{"NATS_URL": "nats://me:hunter2@" + mute(t)}
		}, "reach NATS at 127.0.0.1:"},
		"no PostgreSQL": {func(t *testing.T) map[string]string { return map[string]string{"NATS_URL": natsServer(t)} }, "reach PostgreSQL at 127.0.0.1:1/guichet: dial tcp 127.0.0.1:1: connect: connection refused"},
		"mute PostgreSQL": {func(t *testing.T) map[string]string {
			return map[string]string{"NATS_URL": natsServer(t), "DATABASE_URL": "postgres://me:hunter2@" + mute(t) + "/guichet"}
		}, "reach PostgreSQL at 127.0.0.1:"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := test.env(t)
			if env["DATABASE_URL"] == "" {
				env["DATABASE_URL"] = "postgres://me:hunter2@127.0.0.1:1/guichet"
			}
			begun := time.Now()
			got := guichet(t, env, "setup")
			if got.code != service.ExitFailed || !strings.Contains(got.stderr, test.want) || strings.Contains(got.stderr, "hunter2") {
				t.Errorf("%+v", got)
			}
			if took := time.Since(begun); took > bound {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestSetup_TellsWhatItDidBeforeItFailed(t *testing.T) {
	t.Parallel()
	env := setupEnv(t)
	u, err := url.Parse(env["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), "hunter2")
	env["DATABASE_URL"] = u.String()
	begun := time.Now()
	got := guichet(t, env, "setup")
	if got.code != service.ExitFailed || !strings.Contains(got.stdout, "created  consumer worker") ||
		!strings.Contains(got.stderr, "password authentication failed") || strings.Contains(got.stderr, "hunter2") {
		t.Errorf("%+v", got)
	}
	if took := time.Since(begun); took > 9*time.Second {
		t.Errorf("a refusal is final, and it took %s", took)
	}
}

func TestSetup_SaysWhichRightsItNeeds(t *testing.T) {
	t.Parallel()
	env := setupEnv(t)
	db := database(t, env)
	u, err := url.Parse(env["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	role := "poor_" + strings.TrimPrefix(u.Path, "/")
	for _, statement := range []string{"CREATE ROLE " + role + " LOGIN PASSWORD 'hunter2'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _, _ = db.Exec("DROP ROLE " + role) })
	u.User = url.UserPassword(role, "hunter2")
	env["DATABASE_URL"] = u.String()
	got := guichet(t, env, "setup")
	if got.code != service.ExitFailed || !strings.Contains(got.stderr, "permission denied") || !strings.Contains(got.stderr, "owner of the database") {
		t.Errorf("%+v", got)
	}
}

func TestSetup_RefusesToLoseEvents(t *testing.T) {
	t.Parallel()
	env := setupEnv(t)
	if got := guichet(t, env, "setup"); got.code != service.ExitOK {
		t.Fatalf("%+v", got)
	}
	conn, err := nats.Connect(env["NATS_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), stream.Subject("charge.refunded"), make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	env["STREAM_MAX_BYTES"] = "4000"
	got := guichet(t, env, "setup")
	if got.code != service.ExitFailed || got.stdout != "" || !strings.Contains(got.stderr, "raise STREAM_MAX_BYTES") {
		t.Errorf("%+v", got)
	}
}

func TestSetup_ReadsSecretsFromFiles(t *testing.T) {
	t.Parallel()
	env := setupEnv(t)
	for _, name := range []string{"NATS_URL", "DATABASE_URL"} {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, env[name]+"\n")
		delete(env, name)
		env[name+"_FILE"] = path
	}
	if got := guichet(t, env, "setup"); got.code != service.ExitOK {
		t.Errorf("%+v", got)
	}
}

func TestSetup_StopsWaitingWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	got := guichetIn(ctx, t.TempDir(), map[string]string{"NATS_URL": "nats://127.0.0.1:1", "DATABASE_URL": os.Getenv(pgtest.Variable)}, "setup")
	if got.code != service.ExitFailed || time.Since(begun) > 5*time.Second {
		t.Errorf("%+v after %s", got, time.Since(begun))
	}
}
