package localpg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lib/pq"

	"github.com/educareschool/guichet/pkg/filelock"
)

const (
	readyTimeout = time.Minute // recovery after a crash included
	readyPoll    = 20 * time.Millisecond
	// portAttempts bounds the retries where another program takes the chosen port first.
	portAttempts = 5
	// How long Stop waits for an ordered end, and then for an immediate one.
	fastTimeout      = 30 * time.Second
	immediateTimeout = 10 * time.Second
)

var errPortTaken = errors.New("another program took its port")

// launch starts the server on a free port and waits until it answers.
func (s *Server) launch(ctx context.Context, b binaries, o Options) error {
	held, err := s.lockServer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }() // the server keeps its copy
	if err := clearStalePID(s.data); err != nil {
		return err
	}
	for range portAttempts {
		if s.port, err = freePort(ctx); err != nil {
			return err
		}
		if err = s.launchOnce(ctx, b, o, held); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

func (s *Server) launchOnce(ctx context.Context, b binaries, o Options, held *os.File) error {
	log, err := os.OpenFile(logPath(s.dir), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	arguments := []string{"-D", s.data}
	for _, setting := range serverSettings(s.port, o) {
		arguments = append(arguments, "-c", setting)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), b.path("postgres"), arguments...) // #nosec G204 -- found by installed
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.data, log, log
	cmd.ExtraFiles = []*os.File{held}
	if s.process, err = startProcess(cmd, s.account, syscall.SIGQUIT); err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		s.end(syscall.SIGQUIT)
		return err
	}
	return nil
}

func serverSettings(port int, o Options) []string {
	all := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=", // none: their paths must be short
		"max_connections=200",
		"cluster_name=guichet",
		"timezone=UTC",
		"log_timezone=UTC",
		"logging_collector=off",
		"log_destination=stderr",
	}
	if o.SharedBuffers != "" {
		all = append(all, "shared_buffers="+o.SharedBuffers)
	}
	if o.Lazy {
		all = append(all, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	return all
}

// freePort returns a port of loopback on which nothing listens just now.
func freePort(ctx context.Context) (int, error) {
	l, err := listen(ctx, 0)
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// taken says whether something listens on a port of loopback.
func taken(ctx context.Context, port int) bool {
	l, err := listen(ctx, port)
	if err != nil {
		return true
	}
	_ = l.Close()
	return false
}

func listen(ctx context.Context, port int) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// awaitReady returns when the server answers a query, or why it will not.
func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	db, err := sql.Open("postgres", s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.process.done:
			if taken(ctx, s.port) {
				return errPortTaken
			}
			return fmt.Errorf("it ended at once (%w); the last lines of %s:\n%s", s.process.err, s.LogPath(), logTail(s.dir))
		case <-ctx.Done():
			return fmt.Errorf("it does not answer (%w; last: %w); the last lines of %s:\n%s", ctx.Err(), err, s.LogPath(), logTail(s.dir))
		case <-time.After(readyPoll):
		}
		if wrongPassword(err) && ready(s.data) { // else it may be another PostgreSQL that has taken the port
			return fmt.Errorf("the password in %s is not that of the data in %s: %w", s.passwordPath(), s.data, err)
		}
	}
}

// ready says whether the folder's own server has its port and takes connections, which it notes in its pid file.
func ready(data string) bool {
	const statusLine = 7 // counted from 0
	content, err := os.ReadFile(pidFile(data))
	lines := strings.Split(string(content), "\n")
	return err == nil && len(lines) > statusLine && strings.TrimSpace(lines[statusLine]) == "ready"
}

func wrongPassword(err error) bool {
	const invalidPassword = "28P01"
	var refused *pq.Error
	return errors.As(err, &refused) && refused.Code == invalidPassword
}

// Stop ends the server in order, breaking off open transactions, and waits until all its processes are
// gone. What was committed stays. A second call does nothing.
func (s *Server) Stop() error {
	s.stopping.Lock()
	defer s.stopping.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	defer filelock.Release(s.lock)
	s.end(syscall.SIGINT)
	ctx, cancel := context.WithTimeout(context.Background(), immediateTimeout)
	defer cancel()
	held, err := s.lockServer(ctx)
	if err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	_ = held.Close()
	if s.process.err != nil {
		return fmt.Errorf("PostgreSQL did not stop in order (%w); see %s", s.process.err, s.LogPath())
	}
	return nil
}

// end signals the server and waits for its main process, with ever more force: SIGINT lets it write
// everything down, SIGQUIT leaves that to the next start.
func (s *Server) end(first syscall.Signal) {
	for _, step := range []struct {
		signal  syscall.Signal
		timeout time.Duration
	}{{first, fastTimeout}, {syscall.SIGQUIT, immediateTimeout}} {
		s.process.signal(step.signal)
		select {
		case <-s.process.done:
			return
		case <-time.After(step.timeout):
		}
	}
	s.process.signal(syscall.SIGKILL)
	<-s.process.done
}

func logPath(dir string) string { return filepath.Join(dir, "postgres.log") }

// logTail returns the last lines of the log.
func logTail(dir string) string {
	const lines = 15
	content, err := os.ReadFile(logPath(dir))
	if err != nil {
		return "(" + err.Error() + ")"
	}
	all := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
