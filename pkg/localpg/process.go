package localpg

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// process is a child that ends when this process does.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how; to be read after done only
}

// startProcess starts a child as the account, in a process group of its own: a terminal's Ctrl-C reaches
// this process only, which then stops the child in order. Should this process die first, the child gets
// the signal (on Linux).
func startProcess(cmd *exec.Cmd, as account, whenOrphaned syscall.Signal) (*process, error) {
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as.credential()}
	signalWhenOrphaned(cmd.SysProcAttr, whenOrphaned)
	p := &process{cmd: cmd, done: make(chan struct{})}
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
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) } // it fails when the process has ended

// environment is what PostgreSQL needs of ours; its messages are in English on every machine.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
