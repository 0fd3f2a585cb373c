//go:build linux

package chaos

import (
	"sync"
	"time"
)

// databaseFaults are what a PostgreSQL does that is up.
func databaseFaults() []scenario {
	two := shape{ingesters: 1, workers: 2}
	return []scenario{
		{
			name: "backends terminated every 50 ms", times: counts{100, 600}, shape: two, mailsTwice: 2,
			fault: func(r *run, _ int) { // the pauses between are up to 400 ms more
				r.sql(`
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'guichet' AND pid <> pg_backend_pid()`)
				pause(r.t, 50*time.Millisecond)
			},
		},
		{
			name: "INSERTs fail for a while (a lost disk, by a trigger)", times: counts{3, 20}, shape: two,
			begin: func(r *run) {
				r.sql(`CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk' USING ERRCODE = 'io_error'; END $$`)
			},
			fault: func(r *run, nth int) {
				table := []string{"stripe_events", "registration_history", "notifications"}[nth%3]
				r.sql(`CREATE TRIGGER broken BEFORE INSERT ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION broken()`)
				pause(r.t, time.Second)
				r.sql(`DROP TRIGGER broken ON ` + table)
			},
		},
		{
			name: "one event's INSERT fails for good (by a trigger)", times: counts{5, 50}, shape: two,
			begin: refuseUnwanted,
			fault: func(r *run, _ int) {
				r.sender.mu.Lock()
				defer r.sender.mu.Unlock()
				r.sender.send(r.sender.shop.unwanted(), true)
			},
		},
		{
			name: "serialization failures and deadlocks", times: counts{20, 200}, shape: two,
			fault: func(r *run, _ int) { // the platform locks rows against the worker's order
				var fighting sync.WaitGroup
				for range 4 {
					fighting.Go(func() { r.lockBackwards() })
				}
				fighting.Wait()
			},
			end: func(r *run) {
				var n int
				if err := r.db.Get(&n, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`); err != nil {
					r.t.Fatal(err)
				}
				r.t.Logf("%d deadlocks", n)
			},
		},
	}
}

// refuseUnwanted has the database refuse the shop's unwanted events.
func refuseUnwanted(r *run) {
	r.sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'unwanted'; END $$`)
	r.sql(`CREATE TRIGGER refuse BEFORE INSERT ON stripe_events FOR EACH ROW WHEN (NEW.id LIKE 'evt_unwanted%') EXECUTE FUNCTION refuse()`)
	r.sender.mu.Lock()
	defer r.sender.mu.Unlock()
	r.sender.refused = true
}

func (r *run) sql(query string, args ...any) {
	r.t.Helper()
	if _, err := r.db.Exec(query, args...); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
}

// lockBackwards is a platform that changes several rows in one transaction, in an order of its own, and now and then
// insists on a serializable one. What it changes makes them due and nothing else.
func (r *run) lockBackwards() {
	tx, err := r.db.Beginx()
	if err != nil {
		r.t.Error(err)
		return
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range []string{
		`SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`,
		`SET LOCAL deadlock_timeout = '20ms'`,
	} {
		if _, err := tx.Exec(statement); err != nil {
			r.t.Error(err)
			return
		}
	}
	var ids []string
	if err := tx.Select(&ids, `SELECT id FROM registrations ORDER BY created_at DESC, id DESC LIMIT 12`); err != nil {
		r.t.Error(err)
		return
	}
	r.sender.mu.Lock()
	r.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	r.sender.mu.Unlock()
	for _, id := range ids {
		if _, err := tx.Exec(`UPDATE registrations SET due_at = now(), name = name WHERE id = $1`, id); err != nil {
			return // it lost, as a platform may
		}
		pause(r.t, 3*time.Millisecond)
	}
	_ = tx.Commit() // it may have lost
}
