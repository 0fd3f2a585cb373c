// Package localnats runs a nats-server with JetStream inside this process: for `guichet dev` and for tests.
package localnats

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/educareschool/guichet/pkg/filelock"
)

// ErrInUse is returned where another server uses the folder.
var ErrInUse = errors.New("in use by another nats-server of Guichet: stop that one, or choose another folder")

// readyTimeout bounds the start, which replays what the store holds.
const readyTimeout = time.Minute

// maxPayload holds the largest webhook, 1 MiB, and its headers; NATS's own default is 1 MiB in all.
const maxPayload = 2 << 20

// Options says where the server keeps its streams and how it syncs them.
type Options struct {
	Dir  string // made if missing; one server at a time
	Port int    // 0 picks a free one
	// Lazy leaves syncing to the server's two-minute default: for benchmarks only.
	Lazy bool
	// Adjust may change the server's own options before it starts.
	Adjust func(*server.Options)
}

// Server is a running nats-server.
type Server struct {
	nats *server.Server
	lock *os.File
}

// Start runs a server that listens on loopback and syncs every write before it acknowledges it. The error
// wraps ErrInUse where another process has a server on this folder.
func Start(o Options) (*Server, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("NATS store: %w", err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	options := &server.Options{
		ServerName: "guichet-local", Host: "127.0.0.1", Port: o.Port,
		JetStream: true, StoreDir: o.Dir, SyncAlways: !o.Lazy,
		JetStreamMaxStore: math.MaxInt64 >> 1,
		MaxPayload:        maxPayload,
		NoSigs:            true, NoLog: true,
	}
	if o.Port == 0 {
		options.Port = server.RANDOM_PORT
	}
	if o.Adjust != nil {
		o.Adjust(options)
	}
	s, err := run(options)
	if err != nil {
		filelock.Release(lock)
		return nil, fmt.Errorf("start nats-server: %w", err)
	}
	return &Server{nats: s, lock: lock}, nil
}

func run(options *server.Options) (*server.Server, error) {
	s, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	log := fatalLog{make(chan string, 1)}
	s.SetLogger(log, false, false)
	s.Start()
	select {
	case why := <-log.fatal:
		err = errors.New(why)
	default:
		if s.ReadyForConnections(readyTimeout) {
			return s, nil
		}
		err = fmt.Errorf("it was not ready within %s", readyTimeout)
	}
	s.Shutdown()
	s.WaitForShutdown()
	return nil, err
}

// fatalLog tells why a server gave up while it was starting, which the server itself only logs.
type fatalLog struct{ fatal chan string }

func (l fatalLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default: // only the first counts
	}
}

func (fatalLog) Noticef(string, ...any) {}
func (fatalLog) Warnf(string, ...any)   {}
func (fatalLog) Errorf(string, ...any)  {}
func (fatalLog) Debugf(string, ...any)  {}
func (fatalLog) Tracef(string, ...any)  {}

// lockDir keeps a second server off the same store: nats-server itself would start and damage it.
func lockDir(dir string) (*os.File, error) {
	f, err := filelock.Take(filepath.Join(dir, "guichet.lock"))
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, fmt.Errorf("%s is %w", dir, ErrInUse)
	case err != nil:
		return nil, fmt.Errorf("NATS store: %w", err)
	}
	return f, nil
}

// URL is what a client connects to.
func (s *Server) URL() string { return s.nats.ClientURL() }

// Stop ends the server and waits for it; stored messages stay. A second call does nothing.
func (s *Server) Stop() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	filelock.Release(s.lock)
}
