// Package service is the frame of the two services: --help, --version and --healthcheck, settings, logger, signals,
// exit code.
package service

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/logging"
	"github.com/educareschool/guichet/pkg/settings"
)

// Exit codes.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2 // wrong arguments or settings
)

// Program describes a service to Main.
type Program struct {
	Name, About string
	// Settings is a pointer to the settings struct; it is filled before Run is called.
	Settings any
	// Logging returns the logging part of the filled settings.
	Logging func() settings.Logging
	// Admin returns the admin port's address of the filled settings; --healthcheck asks there.
	Admin func() string
	// Heap is how many bytes the heap takes before it is collected, see KeepHeap.
	Heap uint64
	// Run works until ctx ends, then stops in order; nil is a clean end.
	Run func(ctx context.Context, log *zap.Logger) error
}

// Main runs a service and returns the process's exit code. SIGINT and SIGTERM end Run's context; a second one ends the process.
func (p Program) Main(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		return p.arguments(args, stdout, stderr)
	}
	if err := settings.Load(p.Settings, settings.Process()); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s cannot start, its settings are wrong:\n  - %s\nSee %s --help for every setting.\n",
			p.Name, strings.ReplaceAll(err.Error(), "\n", "\n  - "), p.Name)
		return ExitUsage
	}
	l := p.Logging()
	log, err := logging.New(stdout, l.Level, l.Format)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return ExitUsage
	}
	KeepHeap(p.Heap)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if err := p.Run(ctx, log.Named(p.Name)); err != nil {
		log.Named(p.Name).Error("stopped", zap.Error(err))
		return ExitFailed
	}
	return ExitOK
}

func (p Program) arguments(args []string, stdout, stderr io.Writer) int {
	switch args[0] {
	case "-h", "--help", "help":
		_, _ = fmt.Fprintf(stdout, "%s: %s\n\nUsage: %s [--help | --version | --healthcheck]\n\n"+
			"--healthcheck asks a running one, at ADMIN_ADDR, whether it is ready, and exits with 0 or 1. Without an argument\n"+
			"the service runs; its settings are environment variables:\n\n", p.Name, p.About, p.Name)
		if err := settings.Usage(stdout, p.Settings); err != nil {
			_, _ = fmt.Fprintln(stderr, err)
			return ExitFailed
		}
		return ExitOK
	case "--version":
		_, _ = fmt.Fprintln(stdout, p.Name, Version())
		return ExitOK
	case "--healthcheck":
		return p.healthcheck(stdout, stderr)
	}
	_, _ = fmt.Fprintf(stderr, "%s takes no arguments but --help, --version and --healthcheck, and was given %q; its settings are environment variables\n", p.Name, args[0])
	return ExitUsage
}

// version is set by the linker: -X github.com/educareschool/guichet/pkg/service.version=…
var version string

// Version is the release this binary was built as, or else the commit.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "development " + s.Value[:12]
		}
	}
	return "development"
}
