package store_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/store"
)

func TestMigrationsAreNumberedConsecutively(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	for i, file := range files {
		if want := fmt.Sprintf("%05d_", i+1); !strings.HasPrefix(filepath.Base(file), want) {
			t.Errorf("%s: want a name that begins with %s", file, want)
		}
	}
	all, _ := os.ReadDir("migrations")
	if len(all) != len(files) {
		t.Error("something else than migrations is among them")
	}
}

func TestMigratingTwiceDoesNothing(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	applied, version, err := store.Migrate(t.Context(), database)
	if err != nil || len(applied) == 0 || version != int64(len(applied)) || applied[0].Version != 1 || applied[0].Name == "" {
		t.Fatalf("%+v, %d, %v", applied, version, err)
	}
	again, same, err := store.Migrate(t.Context(), database)
	if err != nil || len(again) != 0 || same != version {
		t.Errorf("%+v, %d, %v", again, same, err)
	}
}

func TestSeveralMayMigrateAtOnce(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{"the default schema": "", "a schema that is not there yet": "-csearch_path=fresh"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := withOptions(t, pgtest.Database(t), options)
			inParallel(t, 4, func(int) error {
				_, _, err := store.Migrate(t.Context(), database)
				return err
			})
			s, err := store.Open(t.Context(), database, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
		})
	}
}

// withOptions adds PostgreSQL's options parameter to a URL.
func withOptions(t *testing.T, database, options string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	if options == "" {
		return database
	}
	query := u.Query()
	query.Set("options", options)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

func TestTheSchemaOfTheSearchPathIsMade(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"guichet":           "guichet",
		"Guichet":           "guichet",
		"my-schema":         "my-schema",
		`"My\ ""own"""`:     `My "own"`,
		"guichet,public":    "public", // the first of them that is there
		"guichet,elsewhere": "guichet",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			database := withOptions(t, pgtest.Database(t), "-csearch_path="+path)
			if _, _, err := store.Migrate(t.Context(), database); err != nil {
				t.Fatal(err)
			}
			var schema string
			if err := connect(t, database).Get(&schema, `SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'registrations'::regclass`); err != nil || schema != want {
				t.Errorf("the tables are in %q, want %q (%v)", schema, want, err)
			}
		})
	}
}

func TestTwoSchemasOfOneDatabaseDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	var both [2]*fixture
	for i := range both {
		f := &fixture{t: t, url: withOptions(t, database, fmt.Sprintf("-csearch_path=tenant%d", i)), now: noon}
		if _, _, err := store.Migrate(t.Context(), f.url); err != nil {
			t.Fatal(err)
		}
		f.store = f.open(store.Options{})
		f.db = connect(t, f.url)
		f.event("e", 2)
		both[i] = f
	}
	both[0].register("e", "reg-1", "reg-2")
	both[0].process(paidFor(1, "reg-1"))
	both[0].wantRemaining("e", 0)
	both[1].wantRemaining("e", 2)
	both[1].wantLinks()
	// A platform whose search path is another's writes to the right one's counts.
	outsider := connect(t, database)
	outsider.MustExec(`INSERT INTO tenant1.registrations (id, event_id, email) VALUES ('reg-1', 'e', 'x')`)
	outsider.MustExec(`DELETE FROM tenant0.registrations WHERE id = 'reg-1'`)
	outsider.MustExec(`SET search_path = tenant0; UPDATE tenant1.events SET capacity = 3; DELETE FROM tenant1.registrations; SET search_path = ''`)
	both[0].wantRemaining("e", 1)
	both[0].wantLinks("evt_paid_1 ignored")
	both[1].wantRemaining("e", 3)
	// One's lock is not the other's.
	ran, err := both[0].store.Alone(t.Context(), store.CleanupLock, func(on ctx) error {
		ran, err := both[1].store.Alone(on, store.CleanupLock, func(ctx) error { return nil })
		if !ran {
			t.Error("the other schema's lock is taken")
		}
		return err
	})
	if !ran || err != nil {
		t.Errorf("%t, %v", ran, err)
	}
}

func TestAnOldSchemaIsRefusedAndTheCommandNamed(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	open := func() error {
		s, err := store.Open(t.Context(), database, store.Options{})
		if err == nil {
			_ = s.Close()
		}
		return err
	}
	if err := open(); !errors.Is(err, store.ErrSchemaTooOld) || !strings.Contains(err.Error(), "guichet setup") {
		t.Errorf("an empty database: %v", err)
	}
	if _, _, err := store.Migrate(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	db := connect(t, database)
	db.MustExec(`INSERT INTO guichet_schema (version_id, is_applied) VALUES (9999, true)`)
	if err := open(); err != nil {
		t.Errorf("a newer schema: %v", err)
	}
	db.MustExec(`DELETE FROM guichet_schema WHERE version_id > 0`)
	if err := open(); !errors.Is(err, store.ErrSchemaTooOld) || !strings.Contains(err.Error(), "guichet setup") {
		t.Errorf("an old schema: %v", err)
	}
}

func TestADatabaseIsNamedByAURLOrByKeysAndValues(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	host := u.Query().Get("host")
	port := u.Query().Get("port")
	if u.Hostname() != "" {
		host, port = u.Hostname(), u.Port()
	}
	pairs := fmt.Sprintf("host='%s' user='%s' dbname='%s' sslmode=disable options='-csearch_path=by_keys'", host, u.User.Username(), u.Path[1:])
	if password != "" {
		pairs += fmt.Sprintf(" password='%s'", password)
	}
	if port != "" {
		pairs += " port=" + port
	}
	for name, database := range map[string]string{"URL": database, "keys and values": pairs} {
		if _, _, err := store.Migrate(t.Context(), database); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s, err := store.Open(t.Context(), database, store.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var set string
		err = s.DB().Get(&set, `SELECT concat_ws(' ', current_schema(), current_setting('enable_seqscan'), current_setting('lock_timeout'), current_setting('application_name'))`)
		want := map[string]string{"URL": "public", "keys and values": "by_keys"}[name] + " off 100ms guichet"
		if err != nil || set != want {
			t.Errorf("%s: got %q, %v, want %q", name, set, err, want)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		_ = s.Close()
		if err := s.Ping(t.Context()); err == nil {
			t.Error("a closed store answers")
		}
	}
}
