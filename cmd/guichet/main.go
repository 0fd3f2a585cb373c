// Command guichet shows, replays and proves what Guichet does, and runs all of it on a developer's machine.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/settings"
)

// heap saves a command that reads all of a stream, and keeps some 20 MB of it, a tenth of its processor time beside GOGC=200.
const heap = 64 << 20

func main() {
	service.KeepHeap(heap)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process
	code := run(ctx, os.Args[1:], surroundings{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Interactive: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
		Settings: settings.Process(), Program: os.Args[0],
	})
	stop()
	os.Exit(code)
}
