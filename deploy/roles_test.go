package deploy

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/localpg"
	"github.com/educareschool/guichet/pkg/store"
)

// database starts a PostgreSQL of the test's own, whose roles are nobody else's, with the shipped roles and the schema
// that guichet_owner has made, and returns the URL of each role.
func database(t *testing.T, passwords string) (urlOf func(role string) string) {
	t.Helper()
	server := postgres(t)
	if err := server.CreateDatabase(t.Context(), "guichet"); err != nil {
		t.Fatal(err)
	}
	return withRoles(t, server.URL("guichet"), passwords)
}

// postgres starts a PostgreSQL of the test's own.
func postgres(t *testing.T) *localpg.Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "guichet-deploy-") //nolint:usetesting // t.TempDir is closed to PostgreSQL's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := localpg.Start(ctx, localpg.Options{Dir: dir, Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(server.DataDir())
	})
	return server
}

// withRoles runs the shipped roles.sql as the user of admin, before the schema is made and after it.
func withRoles(t *testing.T, admin, passwords string) (urlOf func(role string) string) {
	t.Helper()
	urlOf = func(role string) string {
		u, err := url.Parse(admin)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(role, read(t, filepath.Join(passwords, role+"_password")))
		return u.String()
	}
	roles := func() {
		// #nosec G204 -- our own arguments
		psql := exec.CommandContext(t.Context(), psql(t), "--no-psqlrc", "--quiet", admin, "-v", "secrets="+passwords, "-f", "postgres/roles.sql")
		if out, err := psql.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("roles.sql: %v\n%s", err, out)
		}
	}
	roles()
	if _, _, err := store.Migrate(t.Context(), urlOf("guichet_owner")); err != nil {
		t.Fatalf("set up as guichet_owner: %v", err)
	}
	roles()
	return urlOf
}

// psql is that of the machine's PostgreSQL.
func psql(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("psql"); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/psql")
	if len(found) == 0 {
		t.Fatal("psql is not on this machine; Debian's package postgresql brings it")
	}
	return found[len(found)-1]
}

func connect(t *testing.T, url string) *sqlx.DB {
	t.Helper()
	db, err := sqlx.Connect("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestRoles_EachMayDoWhatItNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	urlOf := database(t, secrets(t))
	for role, statements := range map[string]struct{ allowed, refused []string }{
		"guichet_platform": {
			allowed: []string{
				`INSERT INTO events (id, title, capacity) VALUES ('gala', 'Gala', 1), ('bal', 'Bal', NULL)`,
				`INSERT INTO registrations (id, event_id, email) VALUES ('reg-1', 'gala', 'ada@example.org')`,
				`INSERT INTO registrations (id, event_id, email, name, locale, amount_due, currency, checkout_session_id, checkout_created_at, checkout_expires_at)
					VALUES ('reg-2', 'bal', 'grace@example.org', 'Grace', 'en', 1500, 'eur', 'cs_1', now(), now())`,
				`UPDATE registrations SET checkout_session_id = 'cs_2', amount_due = 2000 WHERE id = 'reg-2'`,
				`UPDATE registrations SET event_id = 'bal' WHERE id = 'reg-1'`,
				`UPDATE events SET capacity = 2 WHERE id = 'gala'`,
				`SELECT status, seat_held, attention FROM registrations`,
				`SELECT remaining FROM event_availability`,
				`SELECT id FROM active_registrations`,
				`DELETE FROM registrations WHERE id = 'reg-2'`,
			},
			refused: []string{
				`UPDATE registrations SET status = 'PAID'`,
				`UPDATE registrations SET seat_held = true`,
				`UPDATE registrations SET due_at = NULL`,
				`INSERT INTO registrations (id, event_id, email, status) VALUES ('reg-3', 'bal', 'x@example.org', 'PAID')`,
				`UPDATE events SET seats_held = 0`,
				`SELECT id FROM stripe_events`,
				`INSERT INTO stripe_events (id, type, outcome) VALUES ('evt_1', 'x', 'ignored')`,
				`SELECT id FROM notifications`,
				`SELECT id FROM registration_history`,
				`SELECT id FROM attention`,
				`SELECT version_id FROM guichet_schema`,
				`SELECT guichet_move_seats(ARRAY['gala'], ARRAY[1::bigint])`,
				`TRUNCATE registrations`,
				`CREATE TABLE mine (id text)`,
				`CREATE TEMPORARY TABLE mine (id text)`,
				`ALTER TABLE registrations DISABLE TRIGGER ALL`,
			},
		},
		"guichet_worker": {
			allowed: []string{
				`SELECT version_id FROM guichet_schema`,
				`SELECT id FROM events ORDER BY id FOR NO KEY UPDATE`,
				`SELECT id FROM registrations ORDER BY id FOR NO KEY UPDATE`,
				`INSERT INTO stripe_events (id, type, outcome, reason) VALUES ('evt_1', 'x', 'ignored', 'a test')`,
				`UPDATE registrations SET due_at = NULL`,
				`INSERT INTO registration_history (registration_id, from_status, to_status, cause, seat_held) VALUES ('r', 'PENDING', 'PAID', '', true)`,
				`INSERT INTO notifications (registration_id, kind, slot) VALUES ('r', 'payment_confirmed', 'paid:x')`,
				`INSERT INTO attention (registration_id, flag, object, raised_at) VALUES ('r', 'double_payment', 'x', now())`,
				`SELECT remaining FROM event_availability`,
				`DELETE FROM backfilled WHERE published_at < now() - interval '1 day'`,
			},
			refused: []string{
				`INSERT INTO events (id, title) VALUES ('mine', 'Mine')`,
				`INSERT INTO registrations (id, event_id, email) VALUES ('mine', 'gala', 'x@example.org')`,
				`DELETE FROM registrations`,
				`DELETE FROM stripe_events`,
				`DELETE FROM registration_history`,
				`UPDATE guichet_schema SET version_id = 0`,
				`CREATE TABLE mine (id text)`,
				`DROP TABLE notifications`,
				`TRUNCATE registrations`,
				`ALTER TABLE registrations ADD COLUMN x text`,
				`ALTER TABLE registrations DISABLE TRIGGER ALL`,
				`CREATE ROLE mine`,
				`ALTER ROLE guichet_owner PASSWORD 'mine'`,
				`SET ROLE guichet_owner`,
			},
		},
		"guichet_owner": {
			allowed: []string{`ALTER TABLE events ADD COLUMN trial text`, `ALTER TABLE events DROP COLUMN trial`},
			refused: []string{`CREATE ROLE mine`, `CREATE DATABASE mine`, `ALTER ROLE guichet_worker SUPERUSER`},
		},
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			db := connect(t, urlOf(role))
			for _, statement := range statements.allowed {
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Errorf("%s\n%v", statement, err)
				}
			}
			for _, statement := range statements.refused {
				const insufficientPrivilege = "42501"
				var refused *pq.Error
				if _, err := db.ExecContext(t.Context(), statement); !errors.As(err, &refused) || refused.Code != insufficientPrivilege {
					t.Errorf("%s\nis not refused: %v", statement, err)
				}
			}
		})
	}
}

func TestRoles_ANewTableIsTheWorkersToo(t *testing.T) {
	t.Parallel()
	urlOf := database(t, secrets(t))
	connect(t, urlOf("guichet_owner")).MustExec(`CREATE TABLE next_release (id text)`)
	if _, err := connect(t, urlOf("guichet_worker")).ExecContext(t.Context(), `INSERT INTO next_release VALUES ('x')`); err != nil {
		t.Error(err)
	}
	if _, err := connect(t, urlOf("guichet_platform")).ExecContext(t.Context(), `SELECT id FROM next_release`); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("the platform may read it: %v", err)
	}
}

func TestRoles_AnOwnerWhoIsNoSuperuserCanMakeThem(t *testing.T) {
	t.Parallel()
	server, passwords := postgres(t), secrets(t)
	super := connect(t, server.URL("postgres"))
	super.MustExec(`CREATE ROLE hosted LOGIN CREATEROLE PASSWORD 'hosted'`)
	super.MustExec(`CREATE DATABASE hosted OWNER hosted`)
	admin, err := url.Parse(server.URL("hosted"))
	if err != nil {
		t.Fatal(err)
	}
	admin.User = url.UserPassword("hosted", "hosted")
	urlOf := withRoles(t, admin.String(), passwords)
	if _, err := connect(t, urlOf("guichet_platform")).ExecContext(t.Context(), `INSERT INTO events (id, title) VALUES ('gala', 'Gala')`); err != nil {
		t.Errorf("the platform: %v", err)
	}
	if _, err := connect(t, urlOf("guichet_worker")).ExecContext(t.Context(), `SELECT id FROM events ORDER BY id FOR NO KEY UPDATE`); err != nil {
		t.Errorf("the worker: %v", err)
	}
}
