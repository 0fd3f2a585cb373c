package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

// isPQ says whether an error is PostgreSQL's, with that code and message.
func isPQ(err error, code, message string) bool {
	var e *pq.Error
	return errors.As(err, &e) && string(e.Code) == code && e.Message == message
}

func TestWhatPostgreSQLRefusesIsAnErrorOfTheData(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code    string
		prepare string
		spoil   func(*store.Received)
	}{
		"an encoding":     {"22021", ``, func(e *store.Received) { e.Type = "a\x00b" }},
		"an escape":       {"22P05", ``, func(e *store.Received) { e.Fact.Message = "a\x00b" }},
		"an id too long":  {"54000", ``, func(e *store.Received) { e.ID = incompressible(9000) }},
		"a fact undated":  {"23514", ``, func(e *store.Received) { e.Created = time.Time{} }},
		"a constraint":    {"23514", `ALTER TABLE registrations ADD CHECK (status <> 'PAID')`, func(*store.Received) {}},
		"a unique column": {"23505", `CREATE UNIQUE INDEX ON stripe_events (left(id, 5)) WHERE id >= 'evt_p'`, func(*store.Received) {}},
		"a trigger": {"P0001", `
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON stripe_events FOR EACH ROW WHEN (NEW.id = 'evt_paid_2') EXECUTE FUNCTION refuse()`, func(*store.Received) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 5)
			f.register("e", "reg-1")
			f.exec(c.prepare)
			bad := paidFor(2, "reg-1")
			c.spoil(&bad)
			_, err := f.store.Process(t.Context(), []store.Received{canceledFor(1, "reg-1"), paidFor(3, "nobody"), bad})
			var refused *pq.Error
			if !errors.As(err, &refused) || string(refused.Code) != c.code {
				t.Fatalf("got %v, want %s", err, c.code)
			}
			if !store.IsDataError(err) {
				t.Errorf("%v is no error of the data", err)
			}
			f.wantLinks()
			f.process(canceledFor(1, "reg-1")) // its neighbour is fine
			f.wantState("reg-1", "CANCELED no-seat ")
		})
	}
}

func incompressible(n int) string {
	var b strings.Builder
	for i := uint32(1); b.Len() < n; i++ {
		fmt.Fprintf(&b, "%08x", i*2654435761)
	}
	return b.String()
}

func TestALostConnectionIsNoErrorOfTheDataAndTheBatchCanBeGivenAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	platform, err := f.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	platform.MustExec(`UPDATE registrations SET name = 'x'`)
	batch := []store.Received{paidFor(1, "reg-1"), fact(2, registration.IntentSucceeded, "", of("", "pi_reg-1", "ch"))}
	done := f.processing(batch...)
	eventually(t, "the blocked connection is ended", func() bool {
		return f.get(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) != "0"
	})
	if err := <-done; err == nil || store.IsDataError(err) {
		t.Errorf("got %v", err)
	}
	if err := platform.Commit(); err != nil {
		t.Fatal(err)
	}
	f.wantLinks()
	f.process(batch...)
	f.wantState("reg-1", "PAID seat ")
	f.wantLinks("evt_intent_succeeded_2 reg-1", "evt_paid_1 reg-1")
}

func TestConnectionsThatDiedInThePoolAreReplaced(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	inParallel(t, 4, func(i int) error {
		_, err := f.store.Process(context.Background(), []store.Received{paidFor(i, "reg-1")})
		return err
	})
	f.killOthers()
	f.process(paidFor(9, "reg-1"))
	f.sweep()
	f.clean()
	f.wantSent("paid:pi_reg-1")
}

func TestALockThatIsNotGotIsTriedForAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	platform, err := f.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	platform.MustExec(`UPDATE registrations SET name = 'x'`)
	done := f.processing(paidFor(1, "reg-1"))
	tries := map[string]bool{}
	eventually(t, "it has been tried three times", func() bool {
		for _, started := range f.list(`SELECT xact_start::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) {
			tries[started] = true
		}
		return len(tries) == 3
	})
	if err := platform.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	f.wantState("reg-1", "PAID seat ")
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("e", 5)
	f.register("e", "reg-1")
	platform, err := f.db.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = platform.Rollback() }()
	platform.MustExec(`UPDATE registrations SET name = 'x'`)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := f.store.Process(ctx, []store.Received{paidFor(1, "reg-1")})
		done <- err
	}()
	f.untilBlocked()
	cancel()
	if err := <-done; err == nil || store.IsDataError(err) {
		t.Errorf("got %v", err)
	}
	f.wantLinks()
}

// In a deadlock the worker gives way, before PostgreSQL looks for one and may pick the platform.
func TestThePlatformDoesNotLoseADeadlock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.event("a", 5)
	f.event("b", 5)
	f.register("a", "reg-a")
	f.register("b", "reg-b")
	for round := range 5 {
		platform, err := f.db.Beginx()
		if err != nil {
			t.Fatal(err)
		}
		platform.MustExec(`UPDATE registrations SET name = 'x' WHERE id = 'reg-b'`)
		done := f.processing(canceledFor(2*round, "reg-a"), canceledFor(2*round+1, "reg-b"))
		f.untilBlocked() // it holds reg-a
		if _, err := platform.Exec(`UPDATE registrations SET name = 'x' WHERE id = 'reg-a'`); err != nil {
			t.Errorf("the platform: %v", err)
		}
		if err := platform.Commit(); err != nil {
			t.Errorf("the platform: %v", err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	f.wantExactCounts()
}

func TestNoErrorTellsWhoOrWhat(t *testing.T) {
	t.Parallel()
	secrets := []string{"zoe@example.com", "Zoé", "Your card"}
	for name, prepare := range map[string]string{
		"a constraint on registrations": `ALTER TABLE registrations ADD CHECK (status <> 'FAILED') NOT VALID`,
		"a constraint on facts":         `ALTER TABLE stripe_events ADD CHECK (kind <> 'payment_failed')`,
		"a constraint on mails":         `ALTER TABLE notifications ADD CHECK (kind <> 'payment_failed')`,
		"a unique mail":                 `CREATE UNIQUE INDEX ON registrations (email, status)`,
		"a table that is missing":       `DROP TABLE registration_history`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.event("e", 5)
			f.exec(`INSERT INTO registrations (id, event_id, email, name, status) VALUES ('reg-1', 'e', 'zoe@example.com', 'Zoé', 'PENDING'), ('reg-2', 'e', 'zoe@example.com', 'Zoé', 'FAILED')`)
			f.exec(prepare)
			e := failedFor(1, "reg-1")
			e.Fact.Message = "Your card was declined."
			_, err := f.store.Process(t.Context(), []store.Received{e})
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err)} {
				for _, secret := range secrets {
					if strings.Contains(text, secret) {
						t.Errorf("%q holds %q", text, secret)
					}
				}
			}
		})
	}
}
