package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// deliver puts events into the inbox that came at times.
func (f *fixture) deliver(at ...time.Time) {
	f.t.Helper()
	for i, t := range at {
		f.exec(`INSERT INTO stripe_events (id, type, outcome, received_at, livemode) VALUES ($1, 'ping', 'ignored', $2, true)`, fmt.Sprintf("evt_%d_%d", t.UnixMicro(), i), t)
	}
}

func TestTheLastDeliveryIsToldWithoutWhatWasBroughtIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if got, err := f.store.LastDelivery(t.Context()); err != nil || !got.IsZero() {
		t.Errorf("%s, %v", got, err)
	}
	f.deliver(noon.Add(-time.Hour), noon)
	f.exec(`INSERT INTO stripe_events (id, type, outcome, received_at) VALUES ('evt_b', 'ping', 'ignored', $1)`, noon.Add(time.Hour))
	f.exec(`INSERT INTO stripe_events (id, type, outcome, kind, created, source) VALUES ('clock:1', 'guichet.hold_expired', 'ignored', 'hold_expired', $1, 'clock')`, noon.Add(2*time.Hour))
	if err := f.store.NoteBackfilled(t.Context(), []string{"evt_b"}); err != nil {
		t.Fatal(err)
	}
	if got, err := f.store.LastDelivery(t.Context()); err != nil || !got.Equal(noon) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestTheLongestGapOfEachWeekIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	days := func(n float64) time.Time { return noon.Add(-time.Duration(n * 24 * float64(time.Hour))) }
	var came []time.Time
	for at := days(35); at.Before(noon.Add(-30 * time.Hour)); at = at.Add(50 * time.Minute) {
		in := func(from float64, hours int) bool {
			return at.After(days(from)) && at.Before(days(from).Add(time.Duration(hours)*time.Hour))
		}
		if !in(33, 60) && !in(25, 5) && !in(18, 48) && !in(10, 3) { // the first is too long ago
			came = append(came, at)
		}
	}
	f.deliver(came...)
	gaps, err := f.store.LongestGaps(t.Context(), 4)
	if err != nil || len(gaps) != 4 {
		t.Fatalf("%v, %v", gaps, err)
	}
	// Of the newest week only the 50 minutes are told: the silence that lasts is no gap.
	for i, want := range []time.Duration{50 * time.Minute, 3 * time.Hour, 5 * time.Hour, 48 * time.Hour} {
		if gaps[i] < want || gaps[i] >= want+100*time.Minute {
			t.Errorf("gap %d is %s, want %s and less than two more events", i, gaps[i], want)
		}
	}
}

func TestAWeekMustHavePassedBeforeAGapIsUsual(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if gaps, err := f.store.LongestGaps(t.Context(), 4); err != nil || len(gaps) != 0 {
		t.Errorf("%v, %v", gaps, err)
	}
	f.deliver(noon.Add(-6*24*time.Hour), noon.Add(-time.Hour))
	if gaps, err := f.store.LongestGaps(t.Context(), 4); err != nil || len(gaps) != 0 {
		t.Errorf("%v, %v", gaps, err)
	}
	f.now = noon.Add(25 * time.Hour)
	if gaps, err := f.store.LongestGaps(t.Context(), 4); err != nil || !slices.Equal(gaps, []time.Duration{6*24*time.Hour - time.Hour}) {
		t.Errorf("%v, %v", gaps, err)
	}
}

func TestASilenceIsRaisedAndMailedOnceAndClears(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.deliver(noon.Add(-time.Hour))
	since := noon.Add(-time.Hour).Add(123456 * time.Microsecond)
	for _, want := range []bool{true, false} {
		if raised, err := f.store.RaiseSilence(t.Context(), since); err != nil || raised != want {
			t.Errorf("%t, %v", raised, err)
		}
	}
	if got, err := f.store.Silence(t.Context()); err != nil || !got.Equal(since) {
		t.Errorf("%s, %v", got, err)
	}
	mails, err := f.store.ClaimMails(t.Context(), 10, time.Minute)
	if err != nil || len(mails) != 1 || mails[0].Wanted == nil {
		t.Fatalf("%+v, %v", mails, err)
	}
	if m := mails[0]; m.Kind != registration.MailAttention || m.Wanted.Flag != registration.Silence || !m.Wanted.Fact.Created.Equal(since) || !m.Livemode || m.RegistrationID != "" {
		t.Errorf("%+v", m)
	}
	if open, err := f.store.Attention(t.Context(), false, 10); err != nil || len(open) != 1 || open[0].Flag != "silence" {
		t.Errorf("%+v, %v", open, err)
	}
	for _, want := range []bool{true, false} {
		if cleared, err := f.store.ClearSilence(t.Context()); err != nil || cleared != want {
			t.Errorf("%t, %v", cleared, err)
		}
	}
	if got, err := f.store.Silence(t.Context()); err != nil || !got.IsZero() {
		t.Errorf("%s, %v", got, err)
	}
	if raised, err := f.store.RaiseSilence(t.Context(), since); err != nil || raised { // the same, cleared too soon
		t.Errorf("%t, %v", raised, err)
	}
	if got, err := f.store.Silence(t.Context()); err != nil || !got.Equal(since) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestAMailAboutASilenceThatIsOverIsDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.store.RaiseSilence(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.ClearSilence(t.Context()); err != nil {
		t.Fatal(err)
	}
	mails, err := f.store.ClaimMails(t.Context(), 10, time.Minute)
	if err != nil || len(mails) != 1 || mails[0].Wanted != nil {
		t.Errorf("%+v, %v", mails, err)
	}
	var status string
	if err := f.db.Get(&status, `SELECT status FROM notifications`); err != nil || status != "dropped" {
		t.Errorf("%s, %v", status, err)
	}
}
