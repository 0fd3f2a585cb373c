// Package filelock keeps what belongs to one process to it, by a lock on a file.
package filelock

import (
	"fmt"
	"os"
	"syscall"
)

// Take takes a lock that lasts until Release, or until every copy of the file is closed: this process's, and those of
// children that inherit it. The error wraps syscall.EWOULDBLOCK where it is held.
func Take(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- our own folder
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { // #nosec G115 -- a descriptor is small
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// Release gives the lock back at once, whoever has a copy of the file: a process that is just being forked has, for a moment.
// A second call does nothing.
func Release(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // #nosec G115 -- a descriptor is small
	_ = f.Close()
}
