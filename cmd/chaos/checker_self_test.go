//go:build linux

package chaos

import (
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/nats-io/nats.go"

	"github.com/educareschool/guichet/pkg/stream"
)

// Who checks the checker: after a run in which nothing went wrong, something is made wrong, and it must say so.
func TestTheCheckerSeesWhatIsLostAndWhatIsDoneTwice(t *testing.T) {
	t.Parallel()
	r := newRun(t, scenario{poisoned: 20})
	refuseUnwanted(r)
	r.underLoad(60, func() { pause(t, 3*time.Second) })
	if f := r.check(); len(f.lost)+len(f.doubled)+len(f.wrong)+f.mailsTwice > 0 {
		t.Fatalf("nothing went wrong, and it found %+v", f)
	}
	const anEvent = `(SELECT min(id) FROM stripe_events WHERE outcome = 'ignored')`
	for name, c := range map[string]struct {
		spoil string
		found func(findings) int
	}{
		"an event that was not processed":     {`DELETE FROM stripe_events WHERE id = ` + anEvent, lost},
		"an event that nobody sent":           {`UPDATE stripe_events SET id = 'evt_forged' WHERE id = ` + anEvent, wrong},
		"a status that is not the facts'":     {`UPDATE registrations SET status = 'REFUNDED' WHERE status = 'PAID'`, wrong},
		"a removal that is not":               {`UPDATE registrations SET removed_at = NULL`, wrong},
		"a registration that is gone":         {`DELETE FROM registrations WHERE status = 'PAID'`, wrong},
		"a change that happened twice":        {`INSERT INTO registration_history (registration_id, from_status, to_status, cause, seat_held) SELECT registration_id, from_status, to_status, cause, seat_held FROM registration_history WHERE from_status <> to_status LIMIT 1`, doubled},
		"a change that the history lacks":     {`DELETE FROM registration_history WHERE to_status = 'PAID'`, lost},
		"a seat counted twice":                {`UPDATE events SET seats_held = seats_held + 1 WHERE id = 'wide-0'`, doubled},
		"a mail that was not queued":          {`DELETE FROM notifications WHERE kind = 'payment_confirmed'`, lost},
		"a mail that was given up":            {`UPDATE notifications SET status = 'failed' WHERE kind = 'payment_confirmed'`, lost},
		"an attention that is not on the row": {`UPDATE registrations SET attention = '{}'`, wrong},
	} {
		spoiled := sqlx.MustConnect("postgres", r.postgres.url("guichet", r.postgres.clean))
		spoiled.SetMaxOpenConns(1) // on which a transaction is begun and not ended
		spoiled.MustExec(`BEGIN`)
		spoiled.MustExec(c.spoil)
		f, err := checker{db: spoiled, js: r.js, ledger: r.ledger, mailed: r.mails.counts()}.check(t.Context())
		if err != nil || c.found(f) == 0 {
			t.Errorf("%s: it found %+v (%v)", name, f, err)
		}
		_ = spoiled.Close()
	}

	mailed := r.mails.counts()
	for id := range mailed {
		mailed[id]++
	}
	if f, err := (checker{db: r.db, js: r.js, ledger: r.ledger, mailed: mailed}).check(t.Context()); err != nil || f.mailsTwice != len(mailed) {
		t.Errorf("every mail came twice and it found %d (%v)", f.mailsTwice, err)
	}
	clear(mailed)
	if f, err := (checker{db: r.db, js: r.js, ledger: r.ledger, mailed: mailed}).check(t.Context()); err != nil || len(f.lost) == 0 {
		t.Errorf("no mail arrived and it found %+v (%v)", f, err)
	}

	events, err := r.js.Stream(t.Context(), stream.Events)
	if err != nil {
		t.Fatal(err)
	}
	first, err := events.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	again := nats.NewMsg(first.Subject)
	again.Header.Set(stream.HeaderEventID, first.Header.Get(stream.HeaderEventID)) // and no id for JetStream to know it by
	if _, err := r.js.PublishMsg(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	// With its empty body it becomes a dead letter as well, a second one where the first was poison.
	if f := r.check(); !slices.Contains(f.doubled, again.Header.Get(stream.HeaderEventID)+" is 2 times in the stream") {
		t.Errorf("an event is twice in the stream and it found %+v", f)
	}
	for _, sequence := range []uint64{1, 2} {
		if err := events.DeleteMsg(t.Context(), sequence); err != nil {
			t.Fatal(err)
		}
	}
	if f := r.check(); len(f.lost) == 0 {
		t.Errorf("an event left the stream and it found %+v", f)
	}
}

func lost(f findings) int    { return len(f.lost) }
func doubled(f findings) int { return len(f.doubled) }
func wrong(f findings) int   { return len(f.wrong) }
