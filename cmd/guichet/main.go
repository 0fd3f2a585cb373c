// Command guichet shows, replays and proves what Guichet does, and runs all of it on a developer's machine.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/educareschool/guichet/pkg/settings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process
	code := run(ctx, os.Args[1:], surroundings{Stdout: os.Stdout, Stderr: os.Stderr, Settings: settings.Process(), Program: os.Args[0]})
	stop()
	os.Exit(code)
}
