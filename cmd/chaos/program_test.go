//go:build linux

package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// program is one of the programs under test. It may be started, killed and started again; all its lives write
// into one file.
type program struct {
	t         testing.TB
	name      string
	env, args []string
	command   string // of the binary, with what comes before it, as strace does
	before    []string
	log       string

	mu   sync.Mutex
	life *life
}

// life is one start of a program.
type life struct {
	cmd  *exec.Cmd
	from int64 // where its part of the log begins
	done chan struct{}
	err  error // of its end; read after done
}

// newProgram prepares a program with nothing of this process's environment but what is given; the test's end
// kills it.
func newProgram(t testing.TB, dir, label, binary string, env []string, args ...string) *program {
	t.Helper()
	p := &program{
		t: t, name: label, args: args, command: filepath.Join(os.Getenv(binaries), binary), log: filepath.Join(dir, label+".log"),
		env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "GORACE=halt_on_error=1"}, env...),
	}
	t.Cleanup(func() {
		p.kill()
	})
	return p
}

// start begins a life of the program; it must not be alive.
func (p *program) start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life != nil && !p.life.ended() {
		p.t.Fatalf("%s is started twice", p.name)
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	at, err := log.Seek(0, 2)
	if err != nil {
		p.t.Fatal(err)
	}
	line := append(append([]string{}, p.before...), append([]string{p.command}, p.args...)...)
	l := &life{cmd: exec.Command(line[0], line[1:]...), from: at, done: make(chan struct{})}
	l.cmd.Env, l.cmd.Dir = p.env, filepath.Dir(p.log)
	l.cmd.Stdout, l.cmd.Stderr = log, log
	// A group of its own is killed whole, and all of it ends with this process.
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel takes the end of the thread that started a child for the end of its parent
		defer runtime.UnlockOSThread()
		err := l.cmd.Start()
		started <- err
		if err == nil {
			l.err = l.cmd.Wait()
			close(l.done)
		}
	}()
	if err := <-started; err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	p.life = l
}

func (l *life) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (p *program) current() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// signal tells the process; one that has ended does not mind.
func (p *program) signal(s syscall.Signal) {
	if l := p.current(); l != nil {
		_ = syscall.Kill(-l.cmd.Process.Pid, s)
	}
}

// kill is kill -9, and waits for the end.
func (p *program) kill() {
	if l := p.current(); l != nil {
		p.signal(syscall.SIGKILL)
		<-l.done
	}
}

// terminate ends the program as an operator does and wants a clean end.
func (p *program) terminate() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != 0 {
		p.t.Errorf("%s ended with %d", p.name, code)
	}
}

// code waits for the end of this life and returns its exit code.
func (p *program) code() int {
	p.t.Helper()
	l := p.current()
	eventually(p.t, p.name+" ends", func() error {
		if !l.ended() {
			return errors.New("it runs on")
		}
		return nil
	})
	return l.cmd.ProcessState.ExitCode()
}

// output is what all lives have printed.
func (p *program) output() []byte {
	content, err := os.ReadFile(p.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	return content
}

// match waits until this life prints what matches, and returns the last group.
func (p *program) match(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	l := p.current()
	var found [][]byte
	eventually(p.t, p.name+" prints "+pattern, func() error {
		if found = re.FindSubmatch(p.output()[l.from:]); found != nil {
			return nil
		}
		if l.ended() {
			p.t.Fatalf("%s ended with %v before it printed %s:\n%s", p.name, l.err, pattern, tail(p.output(), 30))
		}
		return fmt.Errorf("not printed yet")
	})
	return string(found[len(found)-1])
}

func tail(text []byte, lines int) []byte {
	all := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], []byte("\n"))
}
