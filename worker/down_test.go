package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/waittest"
)

// Nobody worked for two days: sessions have run out, holds are over, and what Stripe told of them waits in the
// stream. Cleanup is as eager as can be, and yet it releases nobody who paid, not even for a moment.
func TestAWorkerThatWasDownForTwoDaysReadsItsBacklogBeforeItReleasesAnybody(t *testing.T) {
	t.Parallel()
	const paid, paidAfterFailure, declined, abandoned = 500, 200, 80, 120
	const all = paid + paidAfterFailure + declined + abandoned
	r := newRoom(t)
	r.settings.CleanupInterval = 10 * time.Millisecond
	r.exec(`UPDATE events SET capacity = $1`, all)
	r.exec(`CREATE TABLE released (id text)`)
	r.exec(`CREATE FUNCTION note_release() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO released VALUES (NEW.id); RETURN NULL; END $$`)
	r.exec(`CREATE TRIGGER note_release AFTER UPDATE ON registrations FOR EACH ROW
		WHEN (OLD.seat_held AND NOT NEW.seat_held OR NEW.status IN ('EXPIRED', 'CANCELED')) EXECUTE FUNCTION note_release()`)

	began := time.Now().Add(-48 * time.Hour)
	then := simulate.New(r.random, func() time.Time { return began })
	after := func(d time.Duration) simulate.Option { return simulate.At(began.Add(d)) }
	var late []simulate.Event // events come in the order of their time
	for i := range all {
		kind := "paid"
		switch {
		case i >= paid+paidAfterFailure+declined:
			kind = "abandoned"
		case i >= paid+paidAfterFailure:
			kind = "declined"
		case i >= paid:
			kind = "retried"
		}
		id := fmt.Sprintf("%s-%d", kind, i)
		p := then.Payment(id)
		r.exec(`INSERT INTO registrations (id, event_id, email, created_at, checkout_session_id, checkout_created_at, checkout_expires_at)
			VALUES ($1, 'e', $1 || '@example.org', $2, $3, $2, $4)`, id, began, p.Session, p.SessionExpires)
		switch kind {
		case "paid":
			late = append(late, p.Completed(after(23*time.Hour)))
		case "retried": // on the last day of the session, and of the hold
			r.publish(p.Failed(simulate.CardDeclined(), after(time.Minute)))
			late = append(late, p.Completed(after(23*time.Hour)))
		case "declined":
			r.publish(p.Failed(simulate.CardDeclined(), after(time.Minute)))
		}
	}
	r.publish(late...)
	r.work()
	r.work()
	waittest.Until(r.t, 5*patience, "all is settled", func() error {
		var got struct{ Paid, Failed, Expired, Overdue int }
		err := r.db.Get(&got, `
SELECT count(*) FILTER (WHERE status = 'PAID' AND seat_held AND (id LIKE 'paid-%' OR id LIKE 'retried-%')) AS paid,
       count(*) FILTER (WHERE status = 'FAILED' AND NOT seat_held AND id LIKE 'declined-%') AS failed,
       count(*) FILTER (WHERE status = 'EXPIRED' AND NOT seat_held AND id LIKE 'abandoned-%') AS expired,
       count(*) FILTER (WHERE deadline <= now() OR due_at IS NOT NULL) AS overdue
FROM registrations`)
		if err == nil && (got.Paid != paid+paidAfterFailure || got.Failed != declined || got.Expired != abandoned || got.Overdue != 0) {
			err = fmt.Errorf("it is %+v", got)
		}
		return err
	})
	r.is("0", `SELECT count(*) FROM released WHERE id LIKE 'paid-%' OR id LIKE 'retried-%'`)
	r.is(fmt.Sprint(declined+abandoned), `SELECT count(DISTINCT id) FROM released`)
	r.is(fmt.Sprint(paid+paidAfterFailure), `SELECT seats_held FROM events WHERE id = 'e'`)
	r.is("0", `SELECT count(*) FROM notifications WHERE kind = 'session_expired' AND registration_id NOT LIKE 'abandoned-%'`)
}
