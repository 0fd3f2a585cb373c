package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/educareschool/guichet/pkg/localnats"
	"github.com/educareschool/guichet/pkg/localpg/pgtest"
	"github.com/educareschool/guichet/pkg/store"
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

func TestAWorkerWaitsForItsSchemaAndSaysWhatMakesIt(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.settings.Database.URL = pgtest.Database(t)
	r.settings.AdminAddr = freeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	done, ready := make(chan error, 1), make(chan string, 1)
	go func() {
		done <- Run(ctx, Options{Settings: r.settings, Log: nopLog(), Ready: func(addr string) { ready <- addr }})
	}()
	r.eventually("it says what it waits for", func() error {
		status, text, err := get(t, "http://"+r.settings.AdminAddr+"/readyz")
		if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(text, "guichet setup") {
			return fmt.Errorf("readyz: %d %s: %w", status, text, err)
		}
		return nil
	})
	if _, _, err := store.Migrate(t.Context(), r.settings.Database.URL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ready:
	case <-time.After(4 * patience): // it may be in its longest pause
		t.Error("it did not come good")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// freeAddress is one of loopback on which nothing listens just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func get(t *testing.T, url string) (status int, text string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
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
