package localpg

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// copyFolder copies a stopped server's folder with its owners and modes.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil { // #nosec G204 -- folders of the test
		t.Fatalf("%v: %s", err, out)
	}
}

func TestStop_LeavesNoProcessAndMayBeCalledTwice(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	if len(processes(t, s.data)) == 0 {
		t.Fatal("the running server's processes are not found")
	}
	stop(t, s)
	if left := processes(t, s.data); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	select {
	case <-s.Done():
	default:
		t.Error("Done is not closed")
	}
	stop(t, s)
}

func TestStop_BreaksOffOpenTransactions(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	db, err := sql.Open("postgres", s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	if _, err := tx.ExecContext(t.Context(), "SELECT 1"); err == nil {
		t.Error("the transaction goes on without a server")
	}
	_ = tx.Rollback()
}

// startChild runs a server in a process of its own and returns once it is ready.
func startChild(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0]) // #nosec G204 G702 -- this test binary
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = input.Close(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(output).ReadString('\n'); strings.TrimSpace(line) != "ready" {
		t.Fatalf("the child said %q (%v)", line, err)
	}
	return cmd
}

func TestServer_EndsWithAKilledParentAndStartsAgain(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	parent := startChild(t, dir)
	data := filepath.Join(dir, "data")
	if len(processes(t, data)) == 0 {
		t.Fatal("the child's server is not found")
	}
	if _, err := Start(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("while the other process runs: %v, want ErrInUse", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	again := start(t, dir) // at once: it waits for the orphans itself
	if got := ask(t, again.URL("postgres"), "SELECT 'there'"); got != "there" {
		t.Error("the server does not answer")
	}
	stop(t, again)
	if left := processes(t, data); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

func TestServer_LeavesNoOrphansByItself(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	parent := startChild(t, dir)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the orphans end", func() bool { return len(processes(t, filepath.Join(dir, "data"))) == 0 })
}

func TestDone_TellsOfAServerThatEndedByItself(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Options{Dir: folder(t), Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(postmaster(s.data), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), s.LogPath()) {
		t.Errorf("Stop says %v, want that it did not end in order, and the log's name", err)
	}
	if left := processes(t, s.data); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

func TestStart_IgnoresAPIDFileWhoseNumberIsAnothersNow(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, dir)
	stop(t, s)
	// PostgreSQL refuses to start for any living process of its own user.
	other := exec.CommandContext(t.Context(), "sleep", "300")
	other.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.credential()}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	write(t, pidFile(s.data), strconv.Itoa(other.Process.Pid)+"\n"+s.data+"\n")
	if err := s.account.own(pidFile(s.data)); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
}

func TestStart_MakesTheDataAgainAfterAnInterruptedFirstTime(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // cancel once initdb is at work
		defer cancel()
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, "data.new", "PG_VERSION")); err == nil {
				return
			}
		}
	}()
	_, err := Start(ctx, Options{Dir: dir, Lazy: true})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want it to be interrupted", err)
	}
	eventually(t, "initdb's processes end", func() bool { return len(processes(t, filepath.Join(dir, "data.new"))) == 0 })
	start(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "data.new.password")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the password lent to initdb is left: %v", err)
	}
}

func TestLaunch_RecognizesATakenPort(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, dir)
	stop(t, s)
	occupant := start(t, folder(t))
	found, err := installed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.lockServer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	s.port = occupant.port // a PostgreSQL, too: it answers, with a refusal
	if err := s.launchOnce(t.Context(), found[0], Options{Lazy: true}, held); !errors.Is(err, errPortTaken) {
		t.Errorf("got %v, want %v", err, errPortTaken)
	}
}
