package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg/pgtest"
)

func TestAWrongNATSPasswordEndsTheWorkerAndIsNotRepeated(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	guarded, err := localnats.Start(localnats.Options{Dir: t.TempDir(), Adjust: func(o *server.Options) { o.Username, o.Password = "worker", "right" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guarded.Stop)
	r.settings.NATS.URL = strings.Replace(guarded.URL(), "nats://", "nats://worker:not-right@", 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = Run(ctx, Options{Settings: r.settings, Log: nopLog()})
	if err == nil || ctx.Err() != nil || strings.Contains(err.Error(), "not-right") {
		t.Errorf("the worker ended with %v", err)
	}
}

func TestASchemaThatIsTooOldEndsTheWorkerWithTheCommandThatMendsIt(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.settings.Database.URL = pgtest.Database(t)
	err := Run(t.Context(), Options{Settings: r.settings, Log: nopLog()})
	if err == nil || !strings.Contains(err.Error(), "guichet setup") {
		t.Errorf("the worker ended with %v", err)
	}
}

func TestAWrongTemplateEndsTheWorkerAtItsStart(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.settings.Database.URL = "postgres://nobody@127.0.0.1:1/none?sslmode=disable" // it does not come as far
	r.settings.Mail.Templates = t.TempDir()
	file := filepath.Join(r.settings.Mail.Templates, "fr", "payment_failed.txt")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(`{{define "subject"}}x{{end}}{{.Nmae}}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), Options{Settings: r.settings, Log: nopLog()})
	if err == nil || !strings.Contains(err.Error(), file+":1") || !strings.Contains(err.Error(), "Nmae") {
		t.Errorf("the worker ended with %v", err)
	}
}

func TestAWorkerThatWaitsForItsDatabaseStopsWhenTold(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.settings.Database.URL = "postgres://nobody@127.0.0.1:1/none?sslmode=disable"
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, Options{Settings: r.settings, Log: nopLog()}) }()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it did not end")
	}
}
