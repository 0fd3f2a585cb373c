//go:build linux

package chaos

import (
	"sync"
	"time"
)

// What a worker prints whose database fails it.
const notTaken = `The database did not take a batch, trying again`

// databaseFaults are what a PostgreSQL does that is up.
func databaseFaults() []scenario {
	two := shape{ingesters: 1, workers: 2}
	return []scenario{
		{ // 600 times are 30 s
			name: "backends terminated every 50 ms", times: counts{200, 600}, every: 50 * time.Millisecond,
			shape: two, mailsTwice: 2, prints: notTaken,
			fault: func(r *run, _ int) {
				r.sql(`
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'guichet' AND pid <> pg_backend_pid()`)
			},
		},
		{
			name: "INSERTs fail for a while (a lost disk, by a trigger)", times: counts{3, 20}, shape: two, prints: notTaken,
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
			name: "the platform locks rows against the worker's order", times: counts{20, 200}, shape: two,
			fault: func(r *run, _ int) {
				var fighting sync.WaitGroup
				for range 4 {
					fighting.Go(func() { r.lockBackwards() })
				}
				fighting.Wait()
			},
			end: func(r *run) {
				n := r.count(`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)
				r.note("%d deadlocks", n)
				if n == 0 {
					r.t.Error("there was no deadlock: the fault was none")
				}
			},
		},
		{
			name: "the worker loses serialization conflicts and deadlocks", times: counts{6, 60}, shape: two,
			begin: loseConflicts,
			fault: func(r *run, nth int) {
				table, what := "stripe_events", "INSERT"
				if nth%2 == 1 { // the last statement of a transaction
					table, what = "registrations", "UPDATE"
				}
				r.sql(`CREATE TRIGGER losing BEFORE ` + what + ` ON ` + table + ` FOR EACH STATEMENT EXECUTE FUNCTION lose()`)
				pause(r.t, time.Second)
				r.sql(`DROP TRIGGER losing ON ` + table)
			},
			end: func(r *run) {
				n := r.count(`SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM lost`)
				r.note("%d conflicts lost", n)
				if n == 0 {
					r.t.Error("no conflict was lost: the fault was none")
				}
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

// loseConflicts lets every other transaction of a worker that a trigger meets lose to one that is not there. A sequence
// counts them, which no rollback sets back.
func loseConflicts(r *run) {
	r.sql(`CREATE SEQUENCE lost`)
	r.sql(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF current_setting('application_name') = 'guichet' AND random() < 0.5 THEN
        IF nextval('lost') % 2 = 0 THEN
            RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure';
        END IF;
        RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected';
    END IF;
    RETURN NULL;
END $$`)
}

// count asks for a number.
func (r *run) count(query string) (n int) {
	r.t.Helper()
	if err := r.db.Get(&n, query); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return n
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
