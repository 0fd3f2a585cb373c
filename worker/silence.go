package worker

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

const (
	// silenceInterval is how often it is looked whether events come.
	silenceInterval = time.Minute
	// silenceLearnt is for how long what is usual is remembered.
	silenceLearnt = time.Hour
	// silenceWeeks is how many weeks tell what is usual.
	silenceWeeks = 4
	// shortestSilence is what no learning goes below.
	shortestSilence = time.Hour
)

// SilenceAlarm is the setting: after how long without an event the admin is told.
type SilenceAlarm struct {
	auto  bool
	after time.Duration // 0 is off, unless auto
}

// UnmarshalText reads auto, off or a duration.
func (a *SilenceAlarm) UnmarshalText(text []byte) error {
	switch string(text) {
	case "auto":
		*a = SilenceAlarm{auto: true}
		return nil
	case "off":
		*a = SilenceAlarm{}
		return nil
	}
	after, err := time.ParseDuration(string(text))
	if err != nil || after < time.Minute {
		return fmt.Errorf("%q is neither auto nor off nor a duration of a minute or more, such as 6h", text)
	}
	*a = SilenceAlarm{after: after}
	return nil
}

// silence is the periodic task that notices when events stop coming.
type silence struct {
	usual   time.Duration // twice what is usual; 0 while that is not known
	learnAt time.Time
}

// usualSilence is far longer than usual, given the longest gaps of some weeks, the shortest first: twice that of
// the week in the middle, so that one week with an outage, or a holiday, does not count. 0 where nothing is known.
func usualSilence(gaps []time.Duration) time.Duration {
	if len(gaps) == 0 {
		return 0
	}
	return max(2*gaps[len(gaps)/2], shortestSilence)
}

// watchSilence is the task. It tells of a silence once, clears it when events come again, and has what may have
// been missed brought in at once. Every worker does it; the database sees to it that one mail goes.
func (w *worker) watchSilence(ctx context.Context) error {
	last, err := w.store.LastDelivery(ctx)
	if err != nil {
		return err
	}
	limit, err := w.silenceLimit(ctx)
	if err != nil {
		return err
	}
	var quiet time.Duration
	if !last.IsZero() {
		quiet = max(time.Since(last), 0)
	}
	w.metrics.silence.Set(quiet.Seconds())
	w.metrics.silenceLimit.Set(limit.Seconds())
	if limit == 0 || quiet <= limit {
		cleared, err := w.store.ClearSilence(ctx)
		if cleared {
			w.log.Info("Events come from Stripe again")
		}
		return err
	}
	consumer, err := w.consumerInfo(ctx)
	if err != nil || consumer.NumPending+uint64(max(consumer.NumAckPending, 0)) > 0 {
		return err // what came may be among what is not settled yet
	}
	raised, err := w.store.RaiseSilence(ctx, last)
	if raised {
		w.log.Error("No event has come from Stripe for far longer than usual", zap.Time("last", last), zap.Duration("limit", limit))
		wake(w.mailed)
		wake(w.missed)
	}
	return err
}

// silenceLimit is after how long without an event it is told; 0 is never.
func (w *worker) silenceLimit(ctx context.Context) (time.Duration, error) {
	alarm := w.settings.SilenceAlarm
	if !alarm.auto {
		return alarm.after, nil
	}
	if now := time.Now(); !now.Before(w.silence.learnAt) {
		gaps, err := w.store.LongestGaps(ctx, silenceWeeks)
		if err != nil {
			return 0, err
		}
		w.silence = silence{usualSilence(gaps), now.Add(silenceLearnt)}
	}
	return w.silence.usual, nil
}
