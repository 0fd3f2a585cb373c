package mail_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/educareschool/guichet/pkg/mail"
)

func TestAMailboxKeepsEachMailInAFileOfItsOwn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "mails")
	box, err := mail.NewMailbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	first := compose(t, samples("fr")["payment_failed"], "n-42")
	second := compose(t, samples("fr")["payment_confirmed"], "n-43")
	var all sync.WaitGroup
	for range 20 { // also each mail many times over, and at once
		for _, m := range []*mail.Message{first, second} {
			all.Go(func() {
				if err := box.Send(t.Context(), m); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[0].Name() != "n-42-payment_failed.eml" || files[1].Name() != "n-43-payment_confirmed.eml" {
		t.Errorf("files: %v", files)
	}
	content, err := os.ReadFile(box.Path(first))
	if err != nil || !bytes.Equal(content, first.Bytes()) {
		t.Errorf("another content, or %v", err)
	}
	if info, err := os.Stat(box.Path(first)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read it: %v, %v", info.Mode(), err)
	}
	if err := box.Close(); err != nil {
		t.Error(err)
	}
}

func TestAMailboxThatCannotWriteIsTriedAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mails")
	box, err := mail.NewMailbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := compose(t, samples("fr")["payment_failed"], "n-42")
	if err := os.MkdirAll(filepath.Join(box.Path(m), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	var f *mail.Failure
	if err := box.Send(t.Context(), m); !errors.As(err, &f) || f.Class != mail.Temporary || f.Step != mail.StepFile {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".incoming-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := box.Send(ended, m); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}
