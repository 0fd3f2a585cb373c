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

	"github.com/educareschool/guichet/pkg/filelock"
)

// ErrInUse is returned for a folder on which another process has a server.
var ErrInUse = errors.New("in use by another PostgreSQL of Guichet: stop that one, or choose another folder")

// How long a server that a killed process left behind is waited for: it is told to end as its parent dies.
// After half of it, it is told again.
const (
	leftoverPatience = 20 * time.Second
	leftoverPoll     = 20 * time.Millisecond
)

// lockDir keeps a second process off the folder.
func lockDir(dir string) (*os.File, error) {
	f, err := filelock.Take(filepath.Join(dir, "guichet.lock"))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%s is %w", dir, ErrInUse)
	}
	return f, err
}

// lockServer takes the lock that PostgreSQL's processes inherit and hold as long as one of them lives, and
// so waits until those of an earlier run are gone.
func (s *Server) lockServer(ctx context.Context) (*os.File, error) {
	path := filepath.Join(s.dir, "postgres.lock")
	deadline := time.Now().Add(leftoverPatience)
	told := false
	for {
		f, err := filelock.Take(path)
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
