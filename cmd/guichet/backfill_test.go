package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/lookup/fakestripe"
	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/simulate"
	"github.com/educareschool/guichet/pkg/stream"
)

// asking gives the workshop's commands a key, and a Stripe to ask.
func (w *workshop) asking() *fakestripe.Server {
	w.t.Helper()
	fake := fakestripe.New(w.t)
	w.env["STRIPE_API_KEY"], w.env["STRIPE_API_URL"] = fakestripe.Key, fake.URL
	return fake
}

func TestBackfill_ShowsWhatIsMissingAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	fake := w.asking()
	p := w.stripe.Payment("reg-1")
	known := p.Succeeded()
	fake.Happened("", p.Completed(simulate.WithID("evt_missing"), simulate.At(time.Now().Add(-time.Hour))), known,
		p.Failed(simulate.CardDeclined(), simulate.At(time.Now().Add(-100*time.Hour))))
	w.publish(known)
	got := w.guichet("backfill", "--since", "72h")
	if got.code != service.ExitOK || got.stderr != "" || !strings.Contains(got.stdout, "checkout.session.completed") || strings.Contains(got.stdout, "payment_failed") ||
		!strings.Contains(got.stdout, "2 events that Stripe could not deliver since") ||
		!strings.Contains(got.stdout, "0 stored, 1 in the stream and not settled, or dead letters, 1 missing. Nothing was changed: --apply") {
		t.Errorf("%+v", got)
	}
	var told backfilled
	got = w.guichet("backfill", "--since", "5d", "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &told); err != nil || told.Applied || told.Missing != 2 || len(told.Events) != 2 || told.Events[1].ID != "evt_missing" || told.Published != 0 {
		t.Errorf("%v %+v", err, got)
	}
	w.holds(stream.Events, 1)
	w.is("0", `SELECT count(*) FROM operations`)
}

func TestBackfill_BringsInWhatIsMissingAndTheWorkerSettlesIt(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	fake := w.asking()
	w.register("reg-1", "reg-2")
	w.work("RECONCILE_INTERVAL", "0")
	fake.Happened("", w.stripe.Payment("reg-1").Completed(), w.stripe.Payment("reg-2").Completed())
	got := w.guichet("backfill", "--apply", "--yes", "--by", "Ada", "--limit", "1")
	if got.code != service.ExitOK || !strings.Contains(got.stdout, "2 missing. 2 events brought into the stream.") || strings.Count(got.stdout, "evt_") != 1 {
		t.Errorf("%+v", got)
	}
	w.is("2", `SELECT count(*) FROM registrations WHERE status = 'PAID'`)
	w.is("backfill Ada 2", `SELECT command || ' ' || by_whom || ' ' || (result ->> 'published') FROM operations WHERE error IS NULL AND finished_at IS NOT NULL`)
	got = w.guichet("backfill", "--apply", "--yes")
	if got.code != service.ExitOK || !strings.Contains(got.stdout, "2 stored, 0 missing.") {
		t.Errorf("%+v", got)
	}
	w.holds(stream.Events, 2)
}

func TestBackfill_AsksBeforeItBringsAnythingIn(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	fake := w.asking()
	if got := w.guichet("backfill", "--apply"); got.code != service.ExitOK || !strings.Contains(got.stdout, "0 missing.") { // nothing to ask
		t.Errorf("%+v", got)
	}
	fake.Happened("", w.stripe.Payment("reg-1").Completed())
	if got := w.guichet("backfill", "--apply"); got.code != service.ExitUsage || !strings.Contains(got.stderr, "1 missing. They are put into the stream") || !strings.Contains(got.stderr, "--yes") {
		t.Errorf("%+v", got)
	}
	w.holds(stream.Events, 0)
	for _, tt := range []struct { // the order matters: after the second none is missing
		answer string
		want   int
	}{{"n\n", service.ExitFailed}, {"y\n", service.ExitOK}} {
		got := guichetAsked(t, w.env, tt.answer, "backfill", "--apply")
		if got.code != tt.want || !strings.Contains(got.stderr, "Go on? [y/N]") {
			t.Errorf("%q: %+v", tt.answer, got)
		}
	}
	w.holds(stream.Events, 1)
}

func TestBackfill_TellsMistakesAndWhatIsOutOfReach(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	fake := w.asking()
	with := func(changes ...string) map[string]string {
		env := map[string]string{}
		for name, value := range w.env {
			env[name] = value
		}
		for i := 0; i+1 < len(changes); i += 2 {
			env[changes[i]] = changes[i+1]
		}
		return env
	}
	fake.Forbid("/v1/events", "rak_event_read")
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		code int
		want string
	}{
		"no key":        {with("STRIPE_API_KEY", ""), nil, service.ExitUsage, "STRIPE_API_KEY is not set"},
		"too long ago":  {w.env, []string{"--since", "32d"}, service.ExitUsage, "30 days"},
		"no time":       {w.env, []string{"--since", "soon"}, service.ExitUsage, "soon"},
		"no permission": {w.env, nil, service.ExitFailed, "lacks the permission rak_event_read"},
		"NATS away":     {with("NATS_URL", "nats://127.0.0.1:1"), nil, service.ExitFailed, "reach NATS"},
		"database away": {with("DATABASE_URL", "postgres://me:hunter2@127.0.0.1:1/x"), nil, service.ExitFailed, "refused"},
		"any account":   {with("STRIPE_ACCOUNTS", "*"), nil, service.ExitFailed, "names no connected account"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := guichet(t, test.env, append([]string{"backfill"}, test.args...)...)
			if got.code != test.code || !strings.Contains(got.stderr, test.want) || strings.Contains(got.stderr, "hunter2") || strings.Contains(got.stderr, fakestripe.Key) {
				t.Errorf("%+v", got)
			}
		})
	}
}
