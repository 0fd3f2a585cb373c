// Package place is where benchmarks run: a folder on a real disk, a nats-server and a PostgreSQL of its own
// there, and the programs under test, each a process of its own as in production.
package place

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Options say where things are.
type Options struct {
	// Dir is the folder that everything is written below, and that is removed at the end. Its disk is measured
	// too: every write that counts is synced to it.
	Dir string
	// Programs is the folder with the shipped ingester, worker and guichet.
	Programs string
	// Profiles, where set, is a folder for the CPU profile of each program. The ingester and the worker then run
	// inside this program's own binary: the shipped ones have no profiler.
	Profiles string
	// Logs, where set, is a folder for what each program prints; else it goes nowhere.
	Logs string
}

// Place is that folder and what runs in it.
type Place struct {
	options  Options
	dir      string
	self     string
	postgres *Postgres
	started  int
	stops    []func() error // of what a scenario started
	last     []func() error // of what all share
}

// New makes the folder. Close removes it.
func New(o Options) (*Place, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{o.Profiles, o.Logs} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp(o.Dir, "guichet-bench-")
	if err != nil {
		return nil, err
	}
	// Root's PostgreSQL runs as another user, who must reach what is below.
	if err := os.Chmod(dir, 0o711); err != nil { // #nosec G302 -- nothing in it can be listed or read
		return nil, err
	}
	return &Place{options: o, dir: dir, self: self}, nil
}

// Profiling says whether the programs write profiles.
func (p *Place) Profiling() bool { return p.options.Profiles != "" }

// Clear ends what a scenario has started, the last first.
func (p *Place) Clear() error {
	stops := p.stops
	p.stops = nil
	return unwind(stops)
}

// Close ends everything and removes the folder.
func (p *Place) Close() error {
	last := p.last
	p.last = nil
	return errors.Join(p.Clear(), unwind(last), os.RemoveAll(p.dir))
}

func unwind(stops []func() error) error {
	var problems []error
	for i := len(stops) - 1; i >= 0; i-- {
		problems = append(problems, stops[i]())
	}
	return errors.Join(problems...)
}

// Dir makes a new folder below.
func (p *Place) Dir(name string) (string, error) {
	return os.MkdirTemp(p.dir, name+"-")
}

// FreeAddress is an address of loopback on which nothing listens just now.
func FreeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func (p *Place) output(folder, name, suffix string) (string, error) {
	path, err := filepath.Abs(filepath.Join(folder, fmt.Sprintf("%03d-%s%s", p.started, name, suffix)))
	if err != nil {
		return "", fmt.Errorf("file of %s: %w", name, err)
	}
	return path, nil
}
