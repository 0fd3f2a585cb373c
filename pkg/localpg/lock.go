package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrInUse is returned for a folder on which another process has a server.
var ErrInUse = errors.New("in use by another PostgreSQL of Guichet: stop that one, or choose another folder")

// How long a server that a killed process left behind is waited for: it is told to end as its parent dies.
// After half of it, it is told again.
const (
	leftoverPatience = 20 * time.Second
	leftoverPoll     = 20 * time.Millisecond
)

// lockDir keeps a second process off the folder for as long as the file stays open.
func lockDir(dir string) (*os.File, error) {
	f, err := flock(filepath.Join(dir, "guichet.lock"))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%s is %w", dir, ErrInUse)
	}
	return f, err
}

// unlockDir gives the folder back at once: a process that is being forked just then has a copy of the file for a moment.
func unlockDir(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // #nosec G115 -- a descriptor is small
	_ = f.Close()
}

// flock takes a lock that lasts until every copy of the file is closed: this process's, and those of the
// children that inherit it. It fails with EWOULDBLOCK where it is held.
func flock(path string) (*os.File, error) {
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

// lockServer takes the lock that PostgreSQL's processes inherit and hold as long as one of them lives, and
// so waits until those of an earlier run are gone.
func (s *Server) lockServer(ctx context.Context) (*os.File, error) {
	path := filepath.Join(s.dir, "postgres.lock")
	deadline := time.Now().Add(leftoverPatience)
	told := false
	for {
		f, err := flock(path)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return f, err
		}
		pid := postmaster(s.data)
		left := time.Until(deadline)
		if left <= 0 {
			return nil, fmt.Errorf("the PostgreSQL of an earlier run (process %d) does not end: end it and start again", pid)
		}
		if left < leftoverPatience/2 && !told && pid > 0 {
			told = true
			_ = syscall.Kill(pid, syscall.SIGQUIT) // gone meanwhile is as good
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the PostgreSQL of an earlier run (process %d) to end: %w", pid, ctx.Err())
		case <-time.After(leftoverPoll):
		}
	}
}

// clearStalePID removes the pid file of a killed run: by now its number may be another process's, for which
// PostgreSQL would refuse to start. The caller holds the server's lock, so no server of ours is behind it.
func clearStalePID(data string) error {
	pid := postmaster(data)
	if pid == 0 {
		return nil
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && cwd == data {
		return fmt.Errorf("a PostgreSQL that Guichet did not start (process %d) runs on %s: stop it first", pid, data)
	}
	return os.Remove(pidFile(data))
}

// postmaster reads the pid file of a server; 0 where there is none.
func postmaster(data string) int {
	content, err := os.ReadFile(pidFile(data))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

func pidFile(data string) string { return filepath.Join(data, "postmaster.pid") }
