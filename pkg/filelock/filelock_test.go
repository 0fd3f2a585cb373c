package filelock

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// Between fork and exec a process that another goroutine starts has a copy of every file.
func TestALockIsFreeAlthoughACopyOfItsFileIsLeft(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := syscall.Dup(int(lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(copied) })
	if _, err := Take(path); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("while it is held: %v", err)
	}
	Release(lock)
	again, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	Release(again)
	Release(again)
}
