package worker

import (
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/simulate"
)

// delivered fills the inbox with an event each interval of five weeks, until a time ago.
func (r *room) delivered(every, until time.Duration) {
	r.t.Helper()
	r.exec(`INSERT INTO stripe_events (id, type, outcome, received_at)
		SELECT 'evt_old_' || n, 'ping', 'ignored', now() - $1 * interval '1 second' - n * $2 * interval '1 second'
		FROM generate_series(0, (35 * 86400 / $2)::integer) n`, until.Seconds(), every.Seconds())
}

func TestASilenceIsToldOnceAndWhatWasMissedIsBroughtIn(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	fake := r.asking()
	r.settings.ReconcileInterval = time.Hour
	r.register("reg-1", "reg-2")
	r.delivered(90*time.Minute, 4*time.Hour) // usual is an hour and a half
	// The endpoint is gone: Stripe has nothing that it failed to deliver.
	missed := r.stripe.Payment("reg-1").Completed(simulate.At(time.Now().Add(-3 * time.Hour)))
	fake.Happened("", missed)
	fake.Deliver("", missed.ID)
	w := r.work()
	w.says("No event has come from Stripe for far longer than usual")
	r.status("reg-1", "PAID")
	r.is("sent", `SELECT status FROM notifications WHERE kind = 'attention' AND slot LIKE 'attention:silence:%'`)
	w.tells(`guichet_worker_silence_limit_seconds 10800`, `guichet_worker_silence_seconds 14`)
	w.stop()

	w = r.work() // another one tells nobody again, and what was brought in has not ended it
	w.tells(`guichet_worker_silence_seconds 14`)
	r.is("1", `SELECT count(*) FROM notifications WHERE kind = 'attention'`)
	r.is("1", `SELECT count(*) FROM attention WHERE cleared_at IS NULL AND flag = 'silence'`)
	r.publish(r.stripe.Payment("reg-2").Completed())
	r.status("reg-2", "PAID")
	w.stop() // it has looked, and looks again in a minute
	w = r.work()
	w.says("Events come from Stripe again")
	r.is("1", `SELECT count(*) FROM attention WHERE cleared_at IS NOT NULL AND flag = 'silence'`)
}

func TestNoSilenceIsToldWhileTheBacklogIsNotWorkedOff(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.delivered(time.Hour, 10*time.Hour)
	r.register("reg-1")
	r.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not yet'; END $$`)
	r.exec(`CREATE TRIGGER refuse BEFORE INSERT ON stripe_events FOR EACH ROW EXECUTE FUNCTION refuse()`)
	r.publish(r.stripe.Payment("reg-1").Completed())
	w := r.work()
	w.says("An event could not be settled, it will be delivered again")
	w.tells(`guichet_worker_silence_limit_seconds 7200`, `guichet_worker_tasks_total{result="ok",task="silence"} 1`)
	r.is("0", `SELECT count(*) FROM attention`)
	r.exec(`DROP TRIGGER refuse ON stripe_events`)
	r.status("reg-1", "PAID")
}

func TestWhatIsNotKnownToBeUnusualIsNotTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*room)
		limit   string
	}{
		"no event ever": {func(*room) {}, "0"},
		"less than a week of events": {func(r *room) {
			r.exec(`INSERT INTO stripe_events (id, type, outcome, received_at) VALUES ('evt_1', 'ping', 'ignored', now() - interval '6 days')`)
		}, "0"},
		"a silence as long as others": {func(r *room) { r.delivered(9*time.Hour, 17*time.Hour) }, "64800"},
		"the alarm is off":            {func(r *room) { r.delivered(time.Hour, 100*time.Hour); r.settings.SilenceAlarm = SilenceAlarm{} }, "0"},
		"less than the hours given": {func(r *room) {
			r.delivered(time.Hour, 5*time.Hour)
			r.settings.SilenceAlarm = SilenceAlarm{after: 6 * time.Hour}
		}, "21600"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			test.prepare(r)
			w := r.work()
			w.tells(`guichet_worker_tasks_total{result="ok",task="silence"} 1`, "guichet_worker_silence_limit_seconds "+test.limit)
			r.is("0", `SELECT count(*) FROM attention`)
		})
	}
}

func TestASilenceOfTheHoursGivenIsTold(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.exec(`INSERT INTO stripe_events (id, type, outcome, received_at) VALUES ('evt_1', 'ping', 'ignored', now() - interval '3 hours')`)
	r.settings.SilenceAlarm = SilenceAlarm{after: 2 * time.Hour}
	r.work()
	r.is("1", `SELECT count(*) FROM attention WHERE flag = 'silence'`)
}

func TestOneWeekWithAnOutageDoesNotChangeWhatIsUsual(t *testing.T) {
	t.Parallel()
	hours := func(of ...int) []time.Duration {
		var out []time.Duration
		for _, h := range of {
			out = append(out, time.Duration(h)*time.Hour)
		}
		return out
	}
	for name, test := range map[string]struct {
		gaps []time.Duration
		want time.Duration
	}{
		"nothing known":    {nil, 0},
		"busy":             {[]time.Duration{time.Minute, time.Minute}, time.Hour},
		"one week":         {hours(9), 18 * time.Hour},
		"nights":           {hours(8, 9, 9, 10), 18 * time.Hour},
		"an outage":        {hours(8, 9, 9, 72), 18 * time.Hour},
		"two quiet weeks":  {hours(8, 9, 60, 72), 120 * time.Hour},
		"two weeks so far": {hours(5, 10), 20 * time.Hour},
	} {
		if got := usualSilence(test.gaps); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestTheSilenceAlarmIsReadFromItsSetting(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]SilenceAlarm{
		"": {auto: true}, "auto": {auto: true}, "off": {}, "6h": {after: 6 * time.Hour}, "90m": {after: 90 * time.Minute},
	} {
		var set Settings
		if err := settings.Load(&set, settings.Source{Env: map[string]string{"DATABASE_URL": "postgres://x", "SILENCE_ALARM": text}}); err != nil || set.SilenceAlarm != want {
			t.Errorf("%q: %+v, %v", text, set.SilenceAlarm, err)
		}
	}
	for _, text := range []string{"on", "30s", "-1h", "0"} {
		var set Settings
		err := settings.Load(&set, settings.Source{Env: map[string]string{"DATABASE_URL": "postgres://x", "SILENCE_ALARM": text}})
		if want := `SILENCE_ALARM is not a valid value: "` + text + `" is neither auto nor off nor a duration of a minute or more, such as 6h`; err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
