package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// prepare makes sure that there are data and a password, and returns the programs that can open them. The
// password lies in the server's folder even where the data do not: without it, data in /var/tmp are those
// of a folder that was deleted, and go too.
func (s *Server) prepare(ctx context.Context, found []binaries, lazy bool) (binaries, error) {
	if err := s.readPassword(); err != nil {
		return binaries{}, err
	}
	version, err := os.ReadFile(filepath.Join(s.data, "PG_VERSION"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return binaries{}, err
	}
	if err == nil && s.password != "" {
		return choose(found, strings.TrimSpace(string(version)))
	}
	if inside := filepath.Dir(s.data) == s.dir; err == nil && inside {
		return binaries{}, fmt.Errorf("the password of the data in %s is missing: restore %s, or delete %s to start afresh", s.data, s.passwordPath(), s.dir)
	}
	if s.password == "" {
		if err := s.makePassword(); err != nil {
			return binaries{}, err
		}
	}
	return found[0], s.makeData(ctx, found[0], lazy)
}

func (s *Server) passwordPath() string { return filepath.Join(s.dir, "password") }

func (s *Server) readPassword() error {
	content, err := os.ReadFile(s.passwordPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.password = strings.TrimSpace(string(content))
	return nil
}

func (s *Server) makePassword() error {
	password := rand.Text()
	if err := os.WriteFile(s.passwordPath(), []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	s.password = password
	return nil
}

// makeData runs initdb beside the final folder and renames at the end, so that an interrupted run leaves no half.
func (s *Server) makeData(ctx context.Context, b binaries, lazy bool) error {
	unfinished := s.data + ".new"
	for _, old := range []string{unfinished, s.data} {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("remove unfinished data: %w", err)
		}
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return err
	}
	if err := s.account.own(unfinished); err != nil {
		return err
	}
	passwordFile, err := s.lendPassword(unfinished + ".password")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(passwordFile) }()

	arguments := []string{
		"--pgdata=" + unfinished, "--username=" + superuser, "--pwfile=" + passwordFile,
		"--auth-host=scram-sha-256", "--auth-local=reject",
		"--encoding=UTF8", "--locale=C", // the same order on every machine
	}
	if lazy {
		arguments = append(arguments, "--no-sync")
	}
	if err := s.initialize(ctx, b, unfinished, arguments); err != nil {
		return err
	}
	return os.Rename(unfinished, s.data)
}

// lendPassword writes the password where initdb's user can read it.
func (s *Server) lendPassword(path string) (string, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // #nosec G304 -- our own folder
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(s.password + "\n")
	return path, errors.Join(err, f.Close(), s.account.own(path))
}

func (s *Server) initialize(ctx context.Context, b binaries, data string, arguments []string) error {
	log, err := os.OpenFile(logPath(s.dir), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(ctx, b.path("initdb"), arguments...) // #nosec G204 -- found by installed
	cmd.Dir, cmd.Stdout, cmd.Stderr = data, log, log
	p, err := startProcess(cmd, s.account, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("run initdb: %w", err)
	}
	<-p.done
	if ctx.Err() != nil {
		return fmt.Errorf("initdb was interrupted: %w", ctx.Err())
	}
	if p.err != nil {
		return fmt.Errorf("initdb failed: %w; it said:\n%s", p.err, logTail(s.dir))
	}
	return nil
}
