package place

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Environment variables by which this program's own binary is told to be something else.
const (
	RoleVariable    = "GUICHET_BENCH_ROLE"
	ProfileVariable = "GUICHET_BENCH_PROFILE"
)

const (
	readyTimeout = 30 * time.Second
	readyPoll    = 2 * time.Millisecond
	stopTimeout  = 30 * time.Second
)

// Program is a process that runs.
type Program struct {
	Name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error // read after done
}

// Env are a program's settings.
type Env map[string]string

// Service starts a shipped program, or with profiles the same in this program's binary. What it prints goes to
// watch, if that is not nil.
func (p *Place) Service(name string, env Env, watch io.Writer) (*Program, error) {
	if p.Profiling() {
		return p.Role(name, env, watch)
	}
	return p.start(name, exec.Command(filepath.Join(p.options.Programs, name)), env, watch) // #nosec G204 -- our own programs
}

// Command starts the shipped guichet with arguments.
func (p *Place) Command(env Env, args ...string) (*Program, error) {
	return p.start("guichet", exec.Command(filepath.Join(p.options.Programs, "guichet"), args...), env, nil) // #nosec G204 -- our own program
}

// Role starts this program's own binary as something else: a baseline, or a nats-server.
func (p *Place) Role(name string, env Env, watch io.Writer) (*Program, error) {
	with := Env{RoleVariable: name}
	for k, v := range env {
		with[k] = v
	}
	if p.Profiling() {
		path, err := p.output(p.options.Profiles, name, ".pprof")
		if err != nil {
			return nil, err
		}
		with[ProfileVariable] = path
	}
	return p.start(name, exec.Command(p.self), with, watch) // #nosec G204 -- ourselves
}

func (p *Place) start(name string, cmd *exec.Cmd, env Env, watch io.Writer) (*Program, error) {
	p.started++
	program := &Program{Name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stdout = watch
	if p.options.Logs != "" {
		path, err := p.output(p.options.Logs, name, ".log")
		if err != nil {
			return nil, err
		}
		file, err := os.Create(path) // #nosec G304 -- our own folder
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }() // the child keeps its copy
		program.log, cmd.Stderr = path, file
		if watch == nil {
			cmd.Stdout = file
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us alone, who stop it in order
	endWhenOrphaned(cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		// The kernel takes the end of the thread that started a child for the end of its parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		program.err = cmd.Wait()
		close(program.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.stops = append(p.stops, program.Stop)
	return program, nil
}

// Stop ends the program as an operator does and waits for it. A second call does nothing.
func (p *Program) Stop() error {
	select {
	case <-p.done:
		return nil
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not stop within %s", p.Name, stopTimeout)
	}
	if p.err != nil {
		return fmt.Errorf("%s ended with %w", p.Name, p.err)
	}
	return nil
}

// Wait returns when the program has ended by itself, and how.
func (p *Program) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.err != nil {
		return fmt.Errorf("%s ended with %w", p.Name, p.err)
	}
	return nil
}

// Await polls until ready says so, and fails where the program ends first.
func (p *Program) Await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%w) before it was ready: %w%s", p.Name, p.err, err, p.seeLog())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w%s", p.Name, err, p.seeLog())
		case <-time.After(readyPoll):
		}
	}
}

func (p *Program) seeLog() string {
	if p.log == "" {
		return " (with -logs DIR its output is kept)"
	}
	content, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return "\n" + strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// Healthy is a readiness check of an admin address.
func Healthy(admin string) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
		if err != nil {
			return err
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	}
}
