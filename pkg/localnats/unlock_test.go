package localnats

import (
	"syscall"
	"testing"
)

// Between fork and exec a process that another goroutine starts has a copy of every file.
func TestAFolderIsFreeAlthoughACopyOfItsLockIsLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := syscall.Dup(int(lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(copied) })
	unlockDir(lock)
	again, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlockDir(again)
	unlockDir(again) // once more does nothing
}
