package worker

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/store"
)

// Periodic tasks, the closed set of a label.
const (
	taskSweep     = "sweep"
	taskCleanup   = "cleanup"
	taskMail      = "mail"
	taskAsk       = "ask"
	taskWatch     = "watch"
	taskStreams   = "streams"
	taskFigures   = "figures"
	taskReconcile = "reconcile"
	taskSilence   = "silence"
)

func tasks() []string {
	return []string{taskSweep, taskCleanup, taskMail, taskAsk, taskWatch, taskStreams, taskFigures, taskReconcile, taskSilence}
}

// errElsewhere is that another worker does the task at this time.
var errElsewhere = errors.New("another worker does it")

// alone runs work unless another worker does; then it returns errElsewhere.
func (w *worker) alone(ctx context.Context, lock store.Lock, work func(context.Context) error) error {
	ran, err := w.store.Alone(ctx, lock, work)
	if err == nil && !ran {
		return errElsewhere
	}
	return err
}

// every runs work at once and then each interval, sooner when woken, until ctx ends. A failure is logged
// once, not at each of a row of failures.
func (w *worker) every(ctx context.Context, name string, interval time.Duration, wake <-chan struct{}, work func(context.Context) error) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := false
	w.metrics.tasks.starts(name, interval)
	for {
		err := work(ctx)
		failed := err != nil && !errors.Is(err, errElsewhere)
		switch {
		case ctx.Err() != nil:
			return
		case failed && !failing:
			w.log.Warn("A periodic task failed, it goes on trying", zap.String("task", name), zap.Error(err))
		case !failed && failing:
			w.log.Info("A periodic task works again", zap.String("task", name))
		}
		failing = failed
		w.metrics.tasks.ran(name, err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-wake:
		}
	}
}

// taskMetrics tell of periodic tasks.
type taskMetrics struct {
	runs      *prometheus.CounterVec
	succeeded *prometheus.GaugeVec
	interval  *prometheus.GaugeVec
}

func newTaskMetrics(f promauto.Factory) taskMetrics {
	t := taskMetrics{
		runs: f.NewCounterVec(prometheus.CounterOpts{
			Name: "guichet_worker_tasks_total", Help: "Runs of periodic tasks by result; elsewhere is that another worker does it.",
		}, []string{"task", "result"}),
		succeeded: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "guichet_worker_task_success_timestamp_seconds",
			Help: "When this worker last did a periodic task to its end, in Unix time; 0 if not since its start. Only tasks that it runs are there.",
		}, []string{"task"}),
		interval: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "guichet_worker_task_interval_seconds", Help: "How often this worker runs a periodic task.",
		}, []string{"task"}),
	}
	for _, task := range tasks() {
		for _, result := range []string{"ok", "failed", "elsewhere"} {
			t.runs.WithLabelValues(task, result)
		}
	}
	return t
}

// starts makes the task known, before its first run.
func (t taskMetrics) starts(task string, interval time.Duration) {
	t.interval.WithLabelValues(task).Set(interval.Seconds())
	t.succeeded.WithLabelValues(task)
}

func (t taskMetrics) ran(task string, err error) {
	switch {
	case err == nil:
		t.runs.WithLabelValues(task, "ok").Inc()
		t.succeeded.WithLabelValues(task).SetToCurrentTime()
	case errors.Is(err, errElsewhere):
		t.runs.WithLabelValues(task, "elsewhere").Inc()
	default:
		t.runs.WithLabelValues(task, "failed").Inc()
	}
}
